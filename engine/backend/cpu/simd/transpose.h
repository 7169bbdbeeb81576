/* VL rows of VL lanes -> the columns as rows. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_TRANSPOSE_H
#define DF_ENGINE_BACKEND_CPU_SIMD_TRANSPOSE_H

#include "engine/backend/cpu/simd/vec.h"

/* Exchanges two squares of `step` lanes in each pair of rows that are `step` apart. */
#define SWAP_SQUARES(rows, step, keep, take)                                                                           \
    for (int i_ = 0; i_ < VL; i_++)                                                                                    \
        if (!(i_ & (step))) {                                                                                          \
            vf a_ = (rows)[i_], b_ = (rows)[i_ + (step)];                                                              \
            (rows)[i_] = __builtin_shufflevector(a_, b_, EXPAND keep);                                                 \
            (rows)[i_ + (step)] = __builtin_shufflevector(a_, b_, EXPAND take);                                        \
        }
#define EXPAND(...) __VA_ARGS__

INLINE void v_transpose(vf rows[VL]) {
#if VL == 16
    SWAP_SQUARES(rows, 8, (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                 (8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    SWAP_SQUARES(rows, 4, (0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
                 (4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    SWAP_SQUARES(rows, 2, (0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                 (2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    SWAP_SQUARES(rows, 1, (0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
                 (1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#elif VL == 8
    SWAP_SQUARES(rows, 4, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))
    SWAP_SQUARES(rows, 2, (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15))
    SWAP_SQUARES(rows, 1, (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15))
#else
    SWAP_SQUARES(rows, 2, (0, 1, 4, 5), (2, 3, 6, 7))
    SWAP_SQUARES(rows, 1, (0, 4, 2, 6), (1, 5, 3, 7))
#endif
}

#undef SWAP_SQUARES
#undef EXPAND

#endif

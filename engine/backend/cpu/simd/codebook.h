/* The nearest code of every position. Distances are summed in f64 and in the reference's order, without fused
 * multiply-adds: which code is nearest is the same on every machine. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_CODEBOOK_H
#define DF_ENGINE_BACKEND_CPU_SIMD_CODEBOOK_H

#include <math.h>

#include "engine/backend/cpu/simd/element.h"
#include "engine/backend/cpu/simd/simd.h"

typedef struct nearest {
    double least[DF_CODE_BLOCK]; /* of the codes seen in each place of a block */
    int64_t block[DF_CODE_BLOCK];
} nearest;

INLINE void look_at_block(nearest *n, const element *x, const float *codes, int64_t c, int64_t block) {
    double sum[DF_CODE_BLOCK] = { 0 };
    for (int64_t k = 0; k < c; k++) {
        double at = (double)e_get(x[k]);
        for (int i = 0; i < DF_CODE_BLOCK; i++) {
            double d = at - (double)codes[k * DF_CODE_BLOCK + i];
            sum[i] += d * d;
        }
    }
    for (int i = 0; i < DF_CODE_BLOCK; i++) {
        bool nearer = sum[i] < n->least[i]; /* an equal one keeps the earlier code */
        n->least[i] = nearer ? sum[i] : n->least[i];
        n->block[i] = nearer ? block : n->block[i];
    }
}

/* The first of the nearest codes. */
INLINE int64_t first_nearest(const nearest *n) {
    int at = 0;
    for (int i = 1; i < DF_CODE_BLOCK; i++)
        if (n->least[i] < n->least[at] || (n->least[i] == n->least[at] && n->block[i] < n->block[at])) at = i;
    return n->block[at] * DF_CODE_BLOCK + at;
}

static void nearest_code(void *out, const void *in, int64_t n, int64_t c, const float *codes, int64_t blocks) {
    element *y = out;
    const element *x = in;
    for (int64_t p = 0; p < n; p++, y += c, x += c) {
        nearest best;
        for (int i = 0; i < DF_CODE_BLOCK; i++) {
            best.least[i] = INFINITY;
            best.block[i] = 0;
        }
        for (int64_t b = 0; b < blocks; b++) look_at_block(&best, x, codes + b * c * DF_CODE_BLOCK, c, b);
        int64_t v = first_nearest(&best);
        const float *code = codes + v / DF_CODE_BLOCK * c * DF_CODE_BLOCK + v % DF_CODE_BLOCK;
        for (int64_t k = 0; k < c; k++) y[k] = e_put(code[k * DF_CODE_BLOCK]);
    }
}

#endif

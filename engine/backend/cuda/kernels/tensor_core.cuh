/* Tensor cores and the copies that feed them, for sm_80 and later: inline PTX on the device, the fragments' documented
 * layout on the host. Source: PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions" and "ldmatrix".
 *
 * An m16n8k16 product takes A [16][16] in 4 words of each lane, B [16][8] in 2 and C [16][8] in 4 floats. With
 * g = lane / 4 and t = lane % 4 the lane holds
 *   A  rows g, g + 8 (words 0, 1) at columns 2t, 2t + 1, and the same rows (words 2, 3) at columns 2t + 8, 2t + 9
 *   B  rows 2t, 2t + 1 (word 0) and 2t + 8, 2t + 9 (word 1) of column g
 *   C  row g at columns 2t, 2t + 1 (floats 0, 1), row g + 8 at the same (floats 2, 3) */
#pragma once
#include "launch.cuh"

template <class T> struct pair_of;
template <> struct pair_of<__half> {
    __device__ static uint32_t pack(float low, float high) {
        const __half2 two = __floats2half2_rn(low, high);
        return *reinterpret_cast<const uint32_t *>(&two);
    }
};
template <> struct pair_of<__nv_bfloat16> {
    __device__ static uint32_t pack(float low, float high) {
        const __nv_bfloat162 two = __floats2bfloat162_rn(low, high);
        return *reinterpret_cast<const uint32_t *>(&two);
    }
};

#ifdef __CUDACC__

/* c += a b. All lanes together, as for all functions here but the copies. */
template <class T> __device__ void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
__device__ inline void multiply_add<__half>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ inline void multiply_add<__nv_bfloat16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8x8 matrices of 16-bit elements from shared memory: lanes 8i .. 8i + 7 bring the addresses of the rows of matrix
 * i, each aligned to 16 bytes; every lane gets in r[i] elements 2t and 2t + 1 of row g of matrix i. */
template <class T> __device__ void load_matrices(uint32_t (&r)[4], const T *row) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* The same of the transposed matrices: rows 2t and 2t + 1 of column g. */
template <class T> __device__ void load_matrices_transposed(uint32_t (&r)[4], const T *row) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* 16 bytes to shared memory without waiting, zeros if !there (then `from` is not read); both aligned to 16. */
__device__ inline void copy_16_bytes(void *to, const void *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(to)),
                 "l"(from), "r"(there ? 16 : 0)
                 : "memory");
}

/* The copies since the last call become a group. */
__device__ inline void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* This thread's copies, all but those of the last `may_be_left` groups, have arrived. Others' need a barrier as well.
 */
template <int may_be_left> __device__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(may_be_left) : "memory");
}

#else
#include "simulated_tensor_core.h"
#endif

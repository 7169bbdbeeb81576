/* tensor_core.cuh on the host: fragments laid out as the PTX ISA says, each lane reading from those that hold its
 * operands. */
#pragma once
#include "grid_simulator.h"

namespace simulator {

template <class T> inline float element_of(uint32_t word, int high);
template <> inline float element_of<__nv_bfloat16>(uint32_t word, int high) {
    const uint32_t bits = high ? word & 0xffff0000u : word << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
template <> inline float element_of<__half>(uint32_t word, int high) {
    __half_raw raw;
    raw.x = (unsigned short)(high ? word >> 16 : word);
    return __half2float(__half(raw));
}

/* A [16][16] of the warp, B [16][8] of one lane's column: what one lane of the product needs. */
struct fragments {
    const uint32_t *a, *b;
};

/* Element (row, k) of A lies with lane row % 8 * 4 + k % 8 / 2, in word row / 8 + 2 * (k / 8). */
template <class T> float element_of_a(const fragments all[32], int row, int k) {
    return element_of<T>(all[row % 8 * 4 + k % 8 / 2].a[row / 8 + 2 * (k / 8)], k % 2);
}

/* Element (k, column) of B lies with lane column * 4 + k % 8 / 2, in word k / 8. */
template <class T> float element_of_b(const fragments all[32], int k, int column) {
    return element_of<T>(all[column * 4 + k % 8 / 2].b[k / 8], k % 2);
}

inline void load_matrices(uint32_t (&r)[4], const void *row, bool transposed) {
    const void *rows[32];
    gather(row, rows);
    if ((uintptr_t)row % 16) fail("a row of a matrix is not aligned to 16 bytes", 0, 0);
    const int g = current->lane / 4, t = current->lane % 4;
    for (int i = 0; i < 4; i++) {
        uint16_t two[2];
        for (int k = 0; k < 2; k++) {
            const int line = transposed ? 2 * t + k : g, column = transposed ? g : 2 * t + k;
            two[k] = ((const uint16_t *)rows[8 * i + line])[column];
        }
        r[i] = (uint32_t)two[0] | (uint32_t)two[1] << 16;
    }
}

} // namespace simulator

template <class T> void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    const uint32_t b[2] = { b0, b1 };
    simulator::fragments all[32];
    simulator::gather(simulator::fragments { a, b }, all);
    const int g = simulator::current->lane / 4, t = simulator::current->lane % 4;
    float sum[4] = {};
    for (int k = 0; k < 16; k++) {
        const float of_row[2] = { simulator::element_of_a<T>(all, g, k), simulator::element_of_a<T>(all, g + 8, k) };
        const float of_column[2] = { simulator::element_of_b<T>(all, k, 2 * t),
                                     simulator::element_of_b<T>(all, k, 2 * t + 1) };
        for (int i = 0; i < 4; i++) sum[i] += of_row[i / 2] * of_column[i % 2];
    }
    for (int i = 0; i < 4; i++) c[i] += sum[i];
    __syncwarp(); /* a and b are the caller's: nobody goes on before all have read them */
}

template <class T> void load_matrices(uint32_t (&r)[4], const T *row) {
    simulator::load_matrices(r, row, false);
}

template <class T> void load_matrices_transposed(uint32_t (&r)[4], const T *row) {
    simulator::load_matrices(r, row, true);
}

inline void copy_16_bytes(void *to, const void *from, bool there) {
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16) simulator::fail("a copy is not aligned to 16 bytes", 0, 0);
    simulator::copy_async({ to, from, 16, there ? 16u : 0u });
}

inline void commit_copies() {
    simulator::commit_copies();
}

template <int may_be_left> void wait_for_copies() {
    simulator::wait_for_copies(may_be_left);
}

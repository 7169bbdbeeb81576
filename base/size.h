/* Checked sizes: a product of shapes overflows before it widens, so every one goes through here.
 * The functions return false on overflow and leave *out alone. */
#ifndef DF_BASE_SIZE_H
#define DF_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool df_size_mul(size_t *out, size_t a, size_t b) {
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool df_size_add(size_t *out, size_t a, size_t b) {
    return !__builtin_add_overflow(a, b, out);
}

/* Product of n non-negative dimensions times `unit`; false on overflow or a negative dimension. */
static inline bool df_size_of_dims(size_t *out, const int64_t *dims, int n, size_t unit) {
    size_t total = unit;
    for (int i = 0; i < n; i++)
        if (dims[i] < 0 || !df_size_mul(&total, total, (size_t)dims[i])) return false;
    *out = total;
    return true;
}

/* Rounds up to a multiple of `to`, a power of two; false on overflow. */
static inline bool df_size_align(size_t *out, size_t n, size_t to) {
    size_t sum;
    if (!df_size_add(&sum, n, to - 1)) return false;
    *out = sum & ~(to - 1);
    return true;
}

#endif

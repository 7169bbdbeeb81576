/* What the doubles of cuBLASLt and cuDNN compute with, in f32 on memory of their own. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_PRODUCTS_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_PRODUCTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dtype.h"

/* sum [m][n] += a [m][k] b [k][n], rows of a and b `k_all` and n apart. Terms of an element are added in order of k. */
void product_add(float *sum, const float *a, const float *b, int64_t m, int64_t n, int64_t k, int64_t k_all);

/* What a product reads of an operand. */
typedef struct operand {
    const void *data;
    df_dtype type; /* F32, F16 or BF16 */
    bool tf32; /* F32 only: rounded to ten bits of fraction */
} operand;

/* to [rows][columns] = element (r, c) of x, which lies at r * by_row + c * by_column. */
void operand_load(float *to, const operand *x, int64_t rows, int64_t columns, int64_t by_row, int64_t by_column);

float number_of(df_dtype type, const void *x, int64_t i);
void number_store(df_dtype type, void *x, int64_t i, float value); /* rounded once, to nearest even */

#endif

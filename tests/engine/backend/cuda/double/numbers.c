#include <string.h>

#include "tests/engine/backend/cuda/double/products.h"

float number_of(df_dtype type, const void *x, int64_t i) {
    switch (type) {
    case DF_F16: return df_f16_to_f32(((const uint16_t *)x)[i]);
    case DF_BF16: return df_bf16_to_f32(((const uint16_t *)x)[i]);
    default: return ((const float *)x)[i];
    }
}

void number_store(df_dtype type, void *x, int64_t i, float value) {
    switch (type) {
    case DF_F16: ((uint16_t *)x)[i] = df_f32_to_f16(value); break;
    case DF_BF16: ((uint16_t *)x)[i] = df_f32_to_bf16(value); break;
    default: ((float *)x)[i] = value; break;
    }
}

static float round_to_tf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000) != 0x7f800000) bits = (bits + 0xfff + (bits >> 13 & 1)) & ~(uint32_t)0x1fff;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void operand_load(float *to, const operand *x, int64_t rows, int64_t columns, int64_t by_row, int64_t by_column) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            to[r * columns + c] = number_of(x->type, x->data, r * by_row + c * by_column);
    for (int64_t i = 0; x->tf32 && i < rows * columns; i++) to[i] = round_to_tf32(to[i]);
}

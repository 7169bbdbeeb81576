#include "engine/activations.h"

void df_activations_write(void *out, const float *x, size_t C, size_t area, df_dtype dtype) {
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) df_dtype_store(dtype, out, i * C + c, (double)x[c * area + i]);
}

void df_activations_read(float *out, const void *x, size_t C, size_t area, df_dtype dtype) {
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) out[c * area + i] = (float)df_dtype_load(dtype, x, i * C + c);
}

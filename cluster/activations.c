#include "cluster/activations.h"

void df_activations_write(void *out, const float *x, size_t C, size_t area, df_dtype dtype) {
    float *f32 = out;
    double *f64 = out;
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) {
            if (dtype == DF_F64)
                f64[i * C + c] = x[c * area + i];
            else
                f32[i * C + c] = x[c * area + i];
        }
}

void df_activations_read(float *out, const void *x, size_t C, size_t area, df_dtype dtype) {
    const float *f32 = x;
    const double *f64 = x;
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) out[c * area + i] = dtype == DF_F64 ? (float)f64[i * C + c] : f32[i * C + c];
}

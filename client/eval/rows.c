#include "client/eval/rows.h"

#include <string.h>

#include "engine/activations.h"

/* A row as a picture; what is none has one channel. */
typedef struct row_size {
    size_t channels, area;
} row_size;

static row_size size_of(df_shape s) {
    size_t channels = s.rank == 3 ? (size_t)s.dim[2] : 1;
    return (row_size) { channels, (size_t)df_shape_elements(s) / channels };
}

void df_rows_in(void *stage, const void *outside, const df_value *v, int64_t n, df_dtype activation) {
    df_dtype type = df_value_held_as(v, activation);
    row_size z = size_of(v->shape);
    size_t row = z.channels * z.area, bytes = row * df_dtype_bytes(type);
    if (type == DF_I32) {
        memcpy(stage, outside, bytes * (size_t)n);
        return;
    }
    for (size_t r = 0; r < (size_t)n; r++)
        df_activations_write((char *)stage + r * bytes, (const float *)outside + r * row, z.channels, z.area, type);
}

void df_rows_out(void *outside, const void *stage, const df_value *v, int64_t n, df_dtype activation) {
    df_dtype type = df_value_held_as(v, activation);
    row_size z = size_of(v->shape);
    size_t row = z.channels * z.area, bytes = row * df_dtype_bytes(type);
    for (size_t r = 0; r < (size_t)n; r++)
        df_activations_read((float *)outside + r * row, (const char *)stage + r * bytes, z.channels, z.area, type);
}

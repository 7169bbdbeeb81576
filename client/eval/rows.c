#include "client/eval/rows.h"

#include <string.h>

/* Where element i of the stage's row lies outside. */
static int64_t outside_index(const df_shape *s, int64_t i) {
    if (s->rank != 3) return i;
    int64_t C = s->dim[2], plane = s->dim[0] * s->dim[1];
    return i % C * plane + i / C;
}

void df_rows_in(void *stage, const void *outside, const df_value *v, int64_t n, size_t activation_bytes) {
    int64_t row = df_shape_elements(v->shape);
    if (v->dtype == DF_I32) {
        memcpy(stage, outside, sizeof(int32_t) * (size_t)(n * row));
        return;
    }
    const float *src = outside;
    for (int64_t r = 0; r < n; r++, src += row)
        for (int64_t i = 0; i < row; i++) {
            float x = src[outside_index(&v->shape, i)];
            if (activation_bytes == sizeof(double))
                ((double *)stage)[r * row + i] = x;
            else
                ((float *)stage)[r * row + i] = x;
        }
}

void df_rows_out(void *outside, const void *stage, const df_value *v, int64_t n, size_t activation_bytes) {
    int64_t row = df_shape_elements(v->shape);
    float *dst = outside;
    for (int64_t r = 0; r < n; r++, dst += row)
        for (int64_t i = 0; i < row; i++) {
            int64_t at = r * row + i;
            dst[outside_index(&v->shape, i)] =
                activation_bytes == sizeof(double) ? (float)((const double *)stage)[at] : ((const float *)stage)[at];
        }
}

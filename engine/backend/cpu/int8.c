#include "engine/backend/cpu/int8.h"

#include <stdlib.h>

#include "engine/backend/int8.h"

size_t df_cpu_int8_scale_bytes(int64_t oc) {
    return ((size_t)oc * sizeof(float) + 63) / 64 * 64;
}

df_code df_cpu_int8_weights(const df_kernel *k, const float *w, int64_t oc, int64_t n, int8_t **codes, float **scales,
                            df_err *err) {
    int8_t *q = malloc((size_t)(oc * n));
    float *scale = calloc(1, df_cpu_int8_scale_bytes(oc));
    if (!q || !scale) {
        free(q);
        free(scale);
        return df_err_set(err, DF_ENOMEM, "%lld weights in 8 bits", (long long)(oc * n));
    }
    df_int8_weights(q, scale, w, oc, n);
    for (int64_t o = 0; o < oc; o++) scale[o] *= k->node->int8.scale;
    *codes = q;
    *scales = scale;
    return DF_OK;
}

void df_cpu_int8_bias(float *bias, const float *scales, int64_t oc) {
    for (int64_t o = 0; bias && o < oc; o++) bias[o] /= scales[o];
}

static int64_t input_elements(const df_kernel *k, int64_t n_rows) {
    return n_rows * df_shape_elements(df_cpu_in_shape(k, 0));
}

void df_cpu_int8_input(const df_kernel *k, const void *x, int64_t n_rows, uint8_t *q) {
    int64_t all = input_elements(k, n_rows);
    int parts = df_cpu_parts(k->ctx, all);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(all, parts, part, &begin, &end);
        k->ctx->simd->to_int8(q + begin, df_cpu_from(k->ctx, x, begin), end - begin, k->node->int8.scale,
                              (float)k->node->int8.zero);
    }
}

size_t df_cpu_int8_input_bytes(const df_kernel *k, int64_t n_rows) {
    return df_node_is_int8(k->node) ? ((size_t)input_elements(k, n_rows) + 63) / 64 * 64 : 0;
}

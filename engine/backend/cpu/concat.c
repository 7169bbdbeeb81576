/* Two values side by side: the channels of every position, or the tokens of every row. Both put lines of one table
 * behind lines of the other. */
#include <string.h>

#include "engine/backend/cpu/kernel.h"

static df_code join(const df_kernel *k, const df_cpu_run *r, int64_t lines, int64_t na, int64_t nb) {
    const df_cpu_ctx *x = k->ctx;
    int64_t n = na + nb;
    int parts = df_cpu_parts(k->ctx, lines * n);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(lines, parts, part, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            memcpy(df_cpu_to(x, r->out, i * n), df_cpu_from(x, r->in[0], i * na), (size_t)na * x->unit);
            memcpy(df_cpu_to(x, r->out, i * n + na), df_cpu_from(x, r->in[1], i * nb), (size_t)nb * x->unit);
        }
    }
    return DF_OK;
}

static df_code run_concat(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape a = df_cpu_in_shape(k, 0), b = df_cpu_in_shape(k, 1);
    return join(k, r, r->n_rows * (df_shape_elements(a) / df_cpu_last_dim(a)), df_cpu_last_dim(a), df_cpu_last_dim(b));
}

static df_code run_concat_tokens(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    return join(k, r, r->n_rows, df_shape_elements(df_cpu_in_shape(k, 0)), df_shape_elements(df_cpu_in_shape(k, 1)));
}

const df_cpu_op df_cpu_concat = { .run = run_concat };
const df_cpu_op df_cpu_concat_tokens = { .run = run_concat_tokens };

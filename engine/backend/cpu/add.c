/* Sums of two values, and of a value and one vector for all its positions. */
#include "engine/backend/cpu/kernel.h"

static df_code run_add(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_cpu_epilogue(k->ctx, r->out, r->in[0], r->n_rows, 1, df_shape_elements(df_cpu_out_shape(k)), NULL, DF_ACT_NONE,
                    r->in[1]);
    return DF_OK;
}

static df_code run_add_channel(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s);
    df_cpu_epilogue(k->ctx, r->out, r->in[0], r->n_rows, df_shape_elements(s) / c, c, r->in[1], DF_ACT_NONE, NULL);
    return DF_OK;
}

const df_cpu_op df_cpu_add = { .run = run_add };
const df_cpu_op df_cpu_add_channel = { .run = run_add_channel };

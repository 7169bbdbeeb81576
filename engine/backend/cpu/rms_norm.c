#include "engine/backend/cpu/kernel.h"

static df_code open_norm(df_kernel *k, const float *const *weights, df_err *err) {
    k->state = df_cpu_copy(weights[0], df_cpu_last_dim(df_cpu_out_shape(k))); /* gamma */
    return k->state ? DF_OK : df_err_set(err, DF_ENOMEM, "rms_norm");
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s), positions = r->n_rows * (df_shape_elements(s) / c);
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, positions * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(positions, parts, part, &begin, &end);
        x->simd->rms_norm(df_cpu_to(x, r->out, begin * c), df_cpu_from(x, r->in[0], begin * c), end - begin, c,
                          k->state, k->node->attr.norm.eps);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_rms_norm = { .open = open_norm, .run = run };

#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"

typedef struct layer_norm {
    float *gamma, *beta; /* [C], NULL without affine */
} layer_norm;

static void close_norm(void *state) {
    layer_norm *n = state;
    free(n->gamma);
    free(n->beta);
    free(n);
}

static df_code open_norm(df_kernel *k, const float *const *weights, df_err *err) {
    int64_t c = df_cpu_last_dim(df_cpu_out_shape(k));
    layer_norm *n = k->state = calloc(1, sizeof *n);
    if (!n) return df_err_set(err, DF_ENOMEM, "layer_norm");
    n->gamma = df_cpu_copy(weights[0], c);
    n->beta = df_cpu_copy(weights[1], c);
    if ((weights[0] && !n->gamma) || (weights[1] && !n->beta)) return df_err_set(err, DF_ENOMEM, "layer_norm");
    return DF_OK;
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const layer_norm *n = k->state;
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s), positions = r->n_rows * (df_shape_elements(s) / c);
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, positions * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(positions, parts, part, &begin, &end);
        x->simd->layer_norm(df_cpu_to(x, r->out, begin * c), df_cpu_from(x, r->in[0], begin * c), end - begin, c,
                            n->gamma, n->beta, k->node->attr.norm.eps, k->node->act);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_layer_norm = { .open = open_norm, .close = close_norm, .run = run, .does_act = true };

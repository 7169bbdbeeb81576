#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"

typedef struct embedding {
    void *token; /* [V][D], as activations */
    void *position; /* [T][D], or NULL */
} embedding;

static void close_embedding(void *state) {
    embedding *e = state;
    free(e->token);
    free(e->position);
    free(e);
}

static df_code open_embedding(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape v = k->g->weights[k->node->weight[0]].shape, out = df_cpu_out_shape(k);
    embedding *e = k->state = calloc(1, sizeof *e);
    if (!e) return df_err_set(err, DF_ENOMEM, "embedding");
    e->token = df_cpu_copy_as_activations(k->ctx, weights[0], df_shape_elements(v));
    e->position = df_cpu_copy_as_activations(k->ctx, weights[1], df_shape_elements(out));
    return e->token && (e->position || !weights[1]) ? DF_OK : df_err_set(err, DF_ENOMEM, "embedding");
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    const embedding *e = k->state;
    df_shape out = df_cpu_out_shape(k);
    int64_t tokens = out.dim[0], d = out.dim[1], vocab = k->g->weights[k->node->weight[0]].shape.dim[0];
    const int32_t *ids = r->in[0];
    for (int64_t i = 0; i < r->n_rows * tokens; i++) {
        if (ids[i] < 0 || ids[i] >= vocab)
            return df_err_set(err, DF_EINVAL, "%s: token %d is not in 0..%lld", k->node->name, ids[i],
                              (long long)vocab - 1);
        k->ctx->simd->epilogue(df_cpu_to(k->ctx, r->out, i * d), df_cpu_from(k->ctx, e->token, ids[i] * d), 1, d, NULL,
                               DF_ACT_NONE, e->position ? df_cpu_from(k->ctx, e->position, i % tokens * d) : NULL);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_embedding = { .open = open_embedding, .close = close_embedding, .run = run };

#include <string.h>

#include "engine/backend/cpu/kernel.h"

static df_code open_table(df_kernel *k, const float *const *weights, df_err *err) {
    k->state =
        df_cpu_copy_as_activations(k->ctx, weights[0], df_shape_elements(k->g->weights[k->node->weight[0]].shape));
    return k->state ? DF_OK : df_err_set(err, DF_ENOMEM, "class_embedding");
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    df_shape table = k->g->weights[k->node->weight[0]].shape;
    int64_t vocab = table.dim[0], d = table.dim[1];
    const int32_t *ids = r->in[0];
    for (int64_t row = 0; row < r->n_rows; row++) {
        if (ids[row] < 0 || ids[row] >= vocab)
            return df_err_set(err, DF_EINVAL, "%s: class %d is not in 0..%lld", k->node->name, ids[row],
                              (long long)vocab - 1);
        memcpy(df_cpu_to(k->ctx, r->out, row * d), df_cpu_from(k->ctx, k->state, ids[row] * d),
               (size_t)d * k->ctx->unit);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_class_embedding = { .open = open_table, .run = run };

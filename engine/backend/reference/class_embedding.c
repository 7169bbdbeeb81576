#include "engine/backend/reference/real.h"

df_code REF(class_embedding)(const df_ref_call *c) {
    const int32_t *ids = c->in[0];
    int64_t d = width_of(out_shape(c)), vocab = c->g->weights[c->node->weight[0]].shape.dim[0];
    for (int64_t row = 0; row < c->n_rows; row++) {
        if (ids[row] < 0 || ids[row] >= vocab)
            return df_err_set(c->err, DF_EINVAL, "class %d is not in 0..%lld", ids[row], (long long)vocab - 1);
        for (int64_t k = 0; k < d; k++) store(c, row, k, (double)c->weight[ids[row] * d + k]);
    }
    return DF_OK;
}

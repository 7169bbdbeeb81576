#include "engine/backend/reference/real.h"

static df_code check_ids(const df_ref_call *c, const int32_t *ids, int64_t n) {
    int64_t vocab = c->g->weights[c->node->weight[0]].shape.dim[0];
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return df_err_set(c->err, DF_EINVAL, "id %d at %lld is not in the vocabulary of %lld", ids[i], (long long)i,
                              (long long)vocab);
    return DF_OK;
}

df_code REF(embedding)(const df_ref_call *c) {
    const int32_t *ids = c->in[0];
    const float *token = c->weight, *position = c->bias; /* [V][D], [P][D] or NULL */
    int64_t tokens = out_shape(c).dim[0], d = out_shape(c).dim[1];
    df_code rc = check_ids(c, ids, c->n_rows * tokens);
    if (rc) return rc;
    for (int64_t p = 0; p < c->n_rows * tokens; p++)
        for (int64_t k = 0; k < d; k++)
            store(c, p / tokens, p % tokens * d + k,
                  (double)token[ids[p] * d + k] + (position ? (double)position[p % tokens * d + k] : 0));
    return DF_OK;
}

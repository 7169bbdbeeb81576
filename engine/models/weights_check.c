#include "engine/models/weights_check.h"

#include <string.h>

/* Of a sharded set the first: its names say which component it is. */
static const char *file_of(const df_weights *w) {
    return df_weights_file(w, 0);
}

/* As df_weights_read_f32: a 1x1 convolution may stand for a linear layer. */
static bool same_shape(const df_tensor_view *have, const df_shape *need) {
    int rank = have->rank;
    if (need->rank == 2 && rank == 4 && have->dim[2] == 1 && have->dim[3] == 1) rank = 2;
    if (rank != need->rank) return false;
    return memcmp(have->dim, need->dim, sizeof need->dim[0] * (size_t)rank) == 0;
}

static df_code check_one(const df_weights *w, const df_weight *need, df_err *err) {
    if (need->values) return DF_OK; /* computed, in no file */
    const df_tensor_view *have = df_weights_find(w, need->name);
    if (!have)
        return df_err_set(err, DF_ENOTFOUND, "%s: tensor '%s' is missing, the config needs it", file_of(w), need->name);
    if (same_shape(have, &need->shape)) return DF_OK;
    char got[128], want[128];
    return df_err_set(err, DF_ESHAPE, "%s: '%s' is %s, the config needs %s", file_of(w), have->name,
                      df_shape_text(got, sizeof got, have->dim, have->rank),
                      df_shape_text(want, sizeof want, need->shape.dim, need->shape.rank));
}

df_code df_weights_check(const df_weights *w, const df_graph *g, df_err *err) {
    if (df_weights_are_invented(w)) return DF_OK;
    df_code rc = DF_OK;
    for (int i = 0; i < g->n_weights && !rc; i++) rc = check_one(w, &g->weights[i], err);
    return rc;
}

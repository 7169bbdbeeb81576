#include "engine/backend/reference/real.h"

/* The tokens of a row lie together; rows of the batch do not. */
df_code REF(slice_tokens)(const df_ref_call *c) {
    const real *x = c->in[0];
    real *y = c->out;
    df_shape s = out_shape(c);
    int64_t from = df_shape_elements(in_shape(c, 0)), to = df_shape_elements(s);
    int64_t first = c->node->attr.slice.first * width_of(s);
    for (int64_t row = 0; row < c->n_rows; row++)
        for (int64_t i = 0; i < to; i++) y[row * to + i] = x[row * from + first + i];
    return DF_OK;
}

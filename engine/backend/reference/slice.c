#include "engine/backend/reference/real.h"

df_code REF(slice)(const df_ref_call *c) {
    const real *x = c->in[0];
    real *y = c->out;
    int64_t from = width_of(in_shape(c, 0)), to = width_of(out_shape(c)), first = c->node->attr.slice.first;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places_of(c, out_shape(c)); p++)
        for (int64_t i = 0; i < to; i++) y[p * to + i] = x[p * from + first + i];
    return DF_OK;
}

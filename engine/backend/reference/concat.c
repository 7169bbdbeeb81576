#include "engine/backend/reference/real.h"

df_code REF(concat)(const df_ref_call *c) {
    const real *a = c->in[0], *b = c->in[1];
    real *y = c->out;
    int64_t wa = width_of(in_shape(c, 0)), wb = width_of(in_shape(c, 1));
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places_of(c, out_shape(c)); p++) {
        for (int64_t i = 0; i < wa; i++) y[p * (wa + wb) + i] = a[p * wa + i];
        for (int64_t i = 0; i < wb; i++) y[p * (wa + wb) + wa + i] = b[p * wb + i];
    }
    return DF_OK;
}

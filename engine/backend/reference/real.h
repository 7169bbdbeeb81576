/* For the operations' files: the type of an activation, and how a result is stored. */
#ifndef DF_ENGINE_BACKEND_REFERENCE_REAL_H
#define DF_ENGINE_BACKEND_REFERENCE_REAL_H

#include "engine/backend/reference/reference.h"

#ifdef DF_REFERENCE_F64
typedef double real;
#define REF(op) df_ref_##op##_f64
#else
typedef float real;
#define REF(op) df_ref_##op##_f32
#endif

static inline df_shape in_shape(const df_ref_call *c, int i) {
    return c->g->values[c->node->in[i]].shape;
}

static inline df_shape out_shape(const df_ref_call *c) {
    return c->g->values[c->node->out].shape;
}

static inline int64_t width_of(df_shape s) {
    return s.dim[s.rank - 1];
}

/* Rows of the batch times positions of a row: all places that hold one vector of `width_of(s)` channels. */
static inline int64_t places_of(const df_ref_call *c, df_shape s) {
    return c->n_rows * (df_shape_elements(s) / width_of(s));
}

/* out[row][.., channel] = y with what is fused into the node, rounded once. `at` is the element's place in its row. */
static inline void store(const df_ref_call *c, int64_t row, int64_t at, double y) {
    df_shape s = out_shape(c);
    int64_t width = width_of(s), index = row * df_shape_elements(s) + at;
    if (c->add_channel) y += ((const real *)c->add_channel)[row * width + at % width];
    y = df_ref_act(c->node->act, y);
    if (c->residual) y += ((const real *)c->residual)[index];
    ((real *)c->out)[index] = (real)y;
}

/* Outputs that are summed side by side: the loop over them is the one the compiler vectorises, so that each sum keeps
 * the order of k. */
enum { BLOCK = 64 };

/* sum[o] += x[k] * w[k][o] for n outputs; rows of w are `stride` apart. */
static inline void add_products(double *sum, int n, const real *x, int64_t k_end, const float *w, int64_t stride) {
    for (int64_t k = 0; k < k_end; k++)
        for (int o = 0; o < n; o++) sum[o] += (double)x[k] * (double)w[k * stride + o];
}

#endif

/* What each operation accepts and the shape it makes: one function an operation. Included by shape.c, which has the
 * table of them, by the infer*.c that define them, and by the builders for what both must agree on. */
#ifndef DF_ENGINE_GRAPH_INFER_H
#define DF_ENGINE_GRAPH_INFER_H

#include "engine/graph/shape.h"

/* As df_node_infer; number and types of inputs have been checked. */
typedef df_code (*df_infer_fn)(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);

df_code df_infer_embedding(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_timestep(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_linear(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_conv2d(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_upsample_conv2d(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_group_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_attention(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_activation(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_geglu(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_alike(const df_graph *g, const df_node *n, df_shape *shape, df_err *err); /* add, mul */
df_code df_infer_per_channel(const df_graph *g, const df_node *n, df_shape *shape, df_err *err); /* all but in[0] [C] */
df_code df_infer_concat(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_upsample(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_reshape(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);

df_code df_infer_rms_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_scale(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_slice(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_concat_tokens(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_slice_tokens(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_add_constant(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_class_embedding(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_unpatchify(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);
df_code df_infer_quantize(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);

/* Positions the constant of an ADD_CONSTANT to x holds; -1 if the grid's do not fit a count. */
int64_t df_constant_positions(df_shape x, int64_t grid_h, int64_t grid_w);

df_code df_want_rank(df_shape s, int low, int high, const char *form, df_err *err);
/* Weight i of the node is there with exactly this shape, or absent where want.rank is 0. */
df_code df_want_weight(const df_graph *g, const df_node *n, int i, df_shape want, df_err *err);
/* v holds one number for each channel of x. */
df_code df_want_channels(df_shape x, df_shape v, df_err *err);

static const df_shape df_no_shape = { 0 };

static inline df_shape df_shape_in(const df_graph *g, const df_node *n, int i) {
    return g->values[n->in[i]].shape;
}

static inline int64_t df_last(df_shape s) {
    return s.dim[s.rank - 1];
}

static inline df_shape df_with_last(df_shape s, int64_t width) {
    s.dim[s.rank - 1] = width;
    return s;
}

#endif

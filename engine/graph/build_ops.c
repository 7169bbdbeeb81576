/* The builders: each fills in one node and appends it. What an op accepts is said in shape.c. */
#include <string.h>

#include "base/size.h"
#include "engine/graph/graph_impl.h"
#include "engine/graph/infer.h"

/* Inputs are checked here already, because weight shapes follow from them. */
static df_node begin(df_graph *g, df_op op, const char *name, int n_in, const df_value_id *in) {
    df_node n = { .op = op, .name = name, .n_in = n_in, .out = DF_NO_VALUE };
    n.fused_add_channel = n.residual = DF_NO_VALUE;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) n.weight[i] = DF_NO_WEIGHT;
    if (!df_graph_is_open(g)) return n;
    if (!name || !*name) df_graph_fail(g, DF_EINVAL, "%s: a node needs a name", df_op_name(op));
    for (int i = 0; i < n_in; i++) {
        n.in[i] = in[i];
        if (!df_graph_has_value(g, in[i]))
            df_graph_fail(g, DF_EINVAL, "%s '%s': input %d is no value of the graph", df_op_name(op), name, i);
    }
    if (df_graph_is_open(g)) n.name = df_graph_name(g, "%s", name);
    return n;
}

static df_node begin1(df_graph *g, df_op op, const char *name, df_value_id x) {
    return begin(g, op, name, 1, &x);
}

static df_node begin2(df_graph *g, df_op op, const char *name, df_value_id a, df_value_id b) {
    return begin(g, op, name, 2, (df_value_id[]) { a, b });
}

static int64_t width(const df_graph *g, df_value_id x) {
    df_shape s = df_graph_shape(g, x);
    return s.rank ? s.dim[s.rank - 1] : 0;
}

static void add_named_weight(df_graph *g, df_node *n, int i, const char *name, df_shape shape) {
    if (!df_graph_is_open(g)) return;
    if (!name || !*name)
        df_graph_fail(g, DF_EINVAL, "%s '%s': its weight needs a name", df_op_name(n->op), n->name);
    else
        n->weight[i] = df_graph_add_weight(g, df_graph_name(g, "%s", name), shape);
}

static void add_weight(df_graph *g, df_node *n, int i, const char *suffix, df_shape shape) {
    if (df_graph_is_open(g)) n->weight[i] = df_graph_add_weight(g, df_graph_name(g, "%s.%s", n->name, suffix), shape);
}

df_value_id df_g_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t positions,
                           int64_t d) {
    df_node n = begin1(g, DF_OP_EMBEDDING, name, ids);
    add_weight(g, &n, 0, "token_embedding.weight", DF_SHAPE(vocab, d));
    add_weight(g, &n, 1, "position_embedding.weight", DF_SHAPE(positions, d));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_timestep_embedding(df_graph *g, const char *name, df_value_id t, df_timestep_attr a) {
    df_node n = begin1(g, DF_OP_TIMESTEP_EMBEDDING, name, t);
    n.attr.timestep = a;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_linear(df_graph *g, const char *name, df_value_id x, int64_t out, bool no_bias) {
    df_node n = begin1(g, DF_OP_LINEAR, name, x);
    n.attr.linear.no_bias = no_bias;
    add_weight(g, &n, 0, "weight", DF_SHAPE(out, width(g, x)));
    if (!no_bias) add_weight(g, &n, 1, "bias", DF_SHAPE(out));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_conv2d(df_graph *g, const char *name, df_value_id x, int64_t out, df_conv_attr a) {
    df_node n = begin1(g, DF_OP_CONV2D, name, x);
    n.attr.conv = a;
    add_weight(g, &n, 0, "weight", DF_SHAPE(out, width(g, x), a.kernel, a.kernel));
    if (!a.no_bias) add_weight(g, &n, 1, "bias", DF_SHAPE(out));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

static df_node begin_norm(df_graph *g, df_op op, const char *name, df_value_id x, double eps) {
    df_node n = begin1(g, op, name, x);
    n.attr.norm.eps = eps;
    return n;
}

static void add_affine(df_graph *g, df_node *n, df_value_id x) {
    add_weight(g, n, 0, "weight", DF_SHAPE(width(g, x)));
    add_weight(g, n, 1, "bias", DF_SHAPE(width(g, x)));
}

df_value_id df_g_group_norm(df_graph *g, const char *name, df_value_id x, int groups, double eps) {
    df_node n = begin_norm(g, DF_OP_GROUP_NORM, name, x, eps);
    n.attr.norm.groups = groups;
    add_affine(g, &n, x);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_layer_norm(df_graph *g, const char *name, df_value_id x, double eps) {
    df_node n = begin_norm(g, DF_OP_LAYER_NORM, name, x, eps);
    add_affine(g, &n, x);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_layer_norm_plain(df_graph *g, const char *name, df_value_id x, double eps) {
    df_node n = begin_norm(g, DF_OP_LAYER_NORM, name, x, eps);
    n.attr.norm.no_affine = true;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_rms_norm(df_graph *g, const char *name, df_value_id x, double eps) {
    df_node n = begin_norm(g, DF_OP_RMS_NORM, name, x, eps);
    add_weight(g, &n, 0, "weight", DF_SHAPE(width(g, x)));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_attention(df_graph *g, const char *name, df_value_id q, df_value_id k, df_value_id v, int heads,
                           bool causal) {
    df_node n = begin(g, DF_OP_ATTENTION, name, 3, (df_value_id[]) { q, k, v });
    n.attr.attention.heads = heads;
    n.attr.attention.causal = causal;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_activation(df_graph *g, const char *name, df_value_id x, df_act act) {
    df_node n = begin1(g, DF_OP_ACTIVATION, name, x);
    n.act = act;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_geglu(df_graph *g, const char *name, df_value_id x) {
    df_node n = begin1(g, DF_OP_GEGLU, name, x);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_add(df_graph *g, const char *name, df_value_id a, df_value_id b) {
    df_node n = begin2(g, DF_OP_ADD, name, a, b);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_add_channel(df_graph *g, const char *name, df_value_id x, df_value_id v) {
    df_node n = begin2(g, DF_OP_ADD_CHANNEL, name, x, v);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_concat(df_graph *g, const char *name, df_value_id a, df_value_id b) {
    df_node n = begin2(g, DF_OP_CONCAT, name, a, b);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_upsample_nearest(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w) {
    df_node n = begin1(g, DF_OP_UPSAMPLE_NEAREST, name, x);
    return df_graph_append(g, &n, DF_SHAPE(h, w, width(g, x)));
}

df_value_id df_g_reshape(df_graph *g, const char *name, df_value_id x, df_shape shape) {
    df_node n = begin1(g, DF_OP_RESHAPE, name, x);
    return df_graph_append(g, &n, shape);
}

/* Operations of the transformer families */

df_value_id df_g_modulate(df_graph *g, const char *name, df_value_id x, df_value_id shift, df_value_id scale) {
    df_node n = begin(g, DF_OP_MODULATE, name, 3, (df_value_id[]) { x, shift, scale });
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_gate(df_graph *g, const char *name, df_value_id x, df_value_id gate) {
    df_node n = begin2(g, DF_OP_GATE, name, x, gate);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_mul(df_graph *g, const char *name, df_value_id a, df_value_id b) {
    df_node n = begin2(g, DF_OP_MUL, name, a, b);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_scale(df_graph *g, const char *name, df_value_id x, double by, double plus) {
    df_node n = begin1(g, DF_OP_SCALE, name, x);
    n.attr.affine.by = by;
    n.attr.affine.plus = plus;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

static df_value_id slice(df_graph *g, df_op op, const char *name, df_value_id x, int64_t first, int64_t count) {
    df_node n = begin1(g, op, name, x);
    n.attr.slice.first = first;
    n.attr.slice.count = count;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_slice(df_graph *g, const char *name, df_value_id x, int64_t first, int64_t count) {
    return slice(g, DF_OP_SLICE, name, x, first, count);
}

df_value_id df_g_slice_tokens(df_graph *g, const char *name, df_value_id x, int64_t first, int64_t count) {
    return slice(g, DF_OP_SLICE_TOKENS, name, x, first, count);
}

df_value_id df_g_concat_tokens(df_graph *g, const char *name, df_value_id a, df_value_id b) {
    df_node n = begin2(g, DF_OP_CONCAT_TOKENS, name, a, b);
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_add_constant(df_graph *g, const char *name, df_value_id x, const char *weight_name, int64_t grid_h,
                              int64_t grid_w) {
    df_node n = begin1(g, DF_OP_ADD_CONSTANT, name, x);
    n.attr.constant.grid_h = grid_h;
    n.attr.constant.grid_w = grid_w;
    int64_t positions = df_constant_positions(df_graph_shape(g, x), grid_h, grid_w);
    add_named_weight(g, &n, 0, weight_name, DF_SHAPE(1, positions, width(g, x)));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

/* A table lies in the graph because no file has it; backends see it as any other weight. */
static void set_values(df_graph *g, df_weight_id w, const float *values) {
    size_t bytes;
    if (w == DF_NO_WEIGHT) return;
    float *copy = NULL;
    if (df_size_mul(&bytes, (size_t)df_shape_elements(g->weights[w].shape), sizeof *copy))
        copy = df_arena_alloc(g->impl->arena, bytes);
    if (copy)
        g->weights[w].values = memcpy(copy, values, bytes);
    else
        df_graph_fail(g, DF_ENOMEM, "table '%s'", g->weights[w].name);
}

df_value_id df_g_add_table(df_graph *g, const char *name, df_value_id x, const float *values) {
    df_node n = begin1(g, DF_OP_ADD_CONSTANT, name, x);
    add_weight(g, &n, 0, "table", DF_SHAPE(1, df_constant_positions(df_graph_shape(g, x), 0, 0), width(g, x)));
    df_value_id out = df_graph_append(g, &n, (df_shape) { 0 });
    if (out != DF_NO_VALUE) set_values(g, n.weight[0], values);
    return out;
}

df_value_id df_g_class_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t d) {
    df_node n = begin1(g, DF_OP_CLASS_EMBEDDING, name, ids);
    add_weight(g, &n, 0, "weight", DF_SHAPE(vocab, d));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_token_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t d) {
    df_node n = begin1(g, DF_OP_EMBEDDING, name, ids);
    add_weight(g, &n, 0, "weight", DF_SHAPE(vocab, d));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_attention_relative(df_graph *g, const char *name, df_value_id q, df_value_id k, df_value_id v,
                                    int heads, const char *bias_weight, int buckets, int max_distance) {
    df_node n = begin(g, DF_OP_ATTENTION, name, 3, (df_value_id[]) { q, k, v });
    n.attr.attention.heads = heads;
    n.attr.attention.scale = 1;
    n.attr.attention.bias_buckets = buckets;
    n.attr.attention.bias_max_distance = max_distance;
    const char *weight = bias_weight ? df_graph_name(g, "%s.weight", bias_weight) : NULL;
    add_named_weight(g, &n, 0, weight, DF_SHAPE(buckets, heads));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_unpatchify(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w, int patch) {
    df_node n = begin1(g, DF_OP_UNPATCHIFY, name, x);
    n.attr.patch.patch = patch;
    n.attr.patch.h = h;
    n.attr.patch.w = w;
    return df_graph_append(g, &n, (df_shape) { 0 });
}

df_value_id df_g_quantize(df_graph *g, const char *name, df_value_id x, int64_t vocab) {
    df_node n = begin1(g, DF_OP_QUANTIZE, name, x);
    add_weight(g, &n, 0, "weight", DF_SHAPE(vocab, width(g, x)));
    return df_graph_append(g, &n, (df_shape) { 0 });
}

#include "engine/graph/shape.h"

#include <math.h>
#include <stdio.h>

#include "engine/graph/graph_impl.h"

df_shape_str df_shape_format(df_shape s) {
    df_shape_str out = { "[" };
    int used = 1;
    for (int i = 0; i < s.rank && i < DF_MAX_RANK; i++)
        used += snprintf(out.text + used, sizeof out.text - (size_t)used, "%s%lld", i ? ", " : "", (long long)s.dim[i]);
    snprintf(out.text + used, sizeof out.text - (size_t)used, "]");
    return out;
}

bool df_shape_equal(df_shape a, df_shape b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

df_code df_shape_check(df_shape s, df_err *err) {
    if (s.rank < 1 || s.rank > DF_MAX_RANK)
        return df_err_set(err, DF_ESHAPE, "rank %d, must be 1 to %d", s.rank, DF_MAX_RANK);
    int64_t elements = 1;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] < 1)
            return df_err_set(err, DF_ESHAPE, "%s: dimensions must be at least 1", df_shape_format(s).text);
        if (__builtin_mul_overflow(elements, s.dim[i], &elements) || elements > DF_MAX_ROW_ELEMENTS)
            return df_err_set(err, DF_ELIMIT, "%s has more than 2^36 elements", df_shape_format(s).text);
    }
    return DF_OK;
}

static df_shape shape_in(const df_graph *g, const df_node *n, int i) {
    return g->values[n->in[i]].shape;
}

static int64_t last(df_shape s) {
    return s.dim[s.rank - 1];
}

static df_shape with_last(df_shape s, int64_t width) {
    s.dim[s.rank - 1] = width;
    return s;
}

static df_code want_rank(df_shape s, int low, int high, const char *form, df_err *err) {
    if (s.rank >= low && s.rank <= high) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "input is %s, must be %s", df_shape_format(s).text, form);
}

/* Weight i of the node is there with exactly this shape, or absent where want.rank is 0. */
static df_code want_weight(const df_graph *g, const df_node *n, int i, df_shape want, df_err *err) {
    df_weight_id w = n->weight[i];
    if (want.rank == 0 && w == DF_NO_WEIGHT) return DF_OK;
    if (want.rank == 0) return df_err_set(err, DF_EINVAL, "has a weight '%s' it does not use", g->weights[w].name);
    if (w == DF_NO_WEIGHT) return df_err_set(err, DF_EINVAL, "weight %d is absent", i);
    df_code rc = df_shape_check(want, err);
    if (rc) return rc;
    df_shape is = g->weights[w].shape;
    if (df_shape_equal(is, want)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "weight '%s' is %s, the input needs %s", g->weights[w].name,
                      df_shape_format(is).text, df_shape_format(want).text);
}

/* Outputs of a conv or linear: the first dimension of its weight; 0 if it has none. */
static int64_t outputs_of(const df_graph *g, const df_node *n) {
    return n->weight[0] == DF_NO_WEIGHT ? 0 : g->weights[n->weight[0]].shape.dim[0];
}

static const df_shape nothing = { 0 };

static df_code infer_embedding(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape ids = shape_in(g, n, 0);
    df_code rc;
    if ((rc = want_rank(ids, 1, 1, "ids [T]", err))) return rc;
    if (n->weight[0] == DF_NO_WEIGHT || n->weight[1] == DF_NO_WEIGHT)
        return df_err_set(err, DF_EINVAL, "needs a token and a position table");
    df_shape token = g->weights[n->weight[0]].shape, position = g->weights[n->weight[1]].shape;
    if ((rc = df_shape_check(token, err)) || (rc = df_shape_check(position, err))) return rc;
    if (token.rank != 2 || position.rank != 2 || token.dim[1] != position.dim[1])
        return df_err_set(err, DF_ESHAPE, "tables are %s and %s, must be [V, D] and [P, D]",
                          df_shape_format(token).text, df_shape_format(position).text);
    if (position.dim[0] < ids.dim[0])
        return df_err_set(err, DF_ESHAPE, "%lld ids, but the table has %lld positions", (long long)ids.dim[0],
                          (long long)position.dim[0]);
    *shape = DF_SHAPE(ids.dim[0], token.dim[1]);
    return DF_OK;
}

static df_code infer_timestep(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    const df_timestep_attr *a = &n->attr.timestep;
    df_shape t = shape_in(g, n, 0);
    if (df_shape_elements(t) != 1)
        return df_err_set(err, DF_ESHAPE, "timestep is %s, must be [1]", df_shape_format(t).text);
    if (a->dim < 2 || !(a->max_period > 0) || a->freq_shift >= a->dim / 2)
        return df_err_set(err, DF_EINVAL,
                          "dim %d, max_period %g, freq_shift %g: need dim >= 2, period > 0, "
                          "shift < dim / 2",
                          a->dim, a->max_period, a->freq_shift);
    *shape = DF_SHAPE(a->dim);
    return DF_OK;
}

static df_code infer_linear(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0);
    int64_t out = outputs_of(g, n);
    df_code rc;
    if ((rc = want_weight(g, n, 0, DF_SHAPE(out, last(x)), err))) return rc;
    if ((rc = want_weight(g, n, 1, n->attr.linear.no_bias ? nothing : DF_SHAPE(out), err))) return rc;
    *shape = with_last(x, out);
    return DF_OK;
}

static df_code check_conv_attr(const df_conv_attr *a, df_err *err) {
    if (a->kernel < 1 || a->stride < 1)
        return df_err_set(err, DF_EINVAL, "kernel %d, stride %d: must be at least 1", a->kernel, a->stride);
    if (a->pad.top < 0 || a->pad.left < 0 || a->pad.bottom < 0 || a->pad.right < 0)
        return df_err_set(err, DF_EINVAL, "padding must not be negative");
    if (a->pad.top >= a->kernel || a->pad.left >= a->kernel || a->pad.bottom >= a->kernel || a->pad.right >= a->kernel)
        return df_err_set(err, DF_EINVAL, "padding must be less than the kernel (%d)", a->kernel);
    return DF_OK;
}

static df_code infer_conv2d(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    const df_conv_attr *a = &n->attr.conv;
    df_shape x = shape_in(g, n, 0);
    int64_t out = outputs_of(g, n), k = a->kernel;
    df_code rc;
    if ((rc = want_rank(x, 3, 3, "a picture [H, W, C]", err)) || (rc = check_conv_attr(a, err))) return rc;
    if ((rc = want_weight(g, n, 0, DF_SHAPE(out, x.dim[2], k, k), err))) return rc;
    if ((rc = want_weight(g, n, 1, a->no_bias ? nothing : DF_SHAPE(out), err))) return rc;
    int64_t h = x.dim[0] + a->pad.top + a->pad.bottom - k, w = x.dim[1] + a->pad.left + a->pad.right - k;
    if (h < 0 || w < 0)
        return df_err_set(err, DF_ESHAPE, "input %s with its padding is smaller than the %lldx%lld kernel",
                          df_shape_format(x).text, (long long)k, (long long)k);
    *shape = DF_SHAPE(h / a->stride + 1, w / a->stride + 1, out);
    return DF_OK;
}

static df_code infer_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0), per_channel = n->attr.norm.no_affine ? nothing : DF_SHAPE(last(x));
    df_code rc;
    if (!(n->attr.norm.eps >= 0) || !isfinite(n->attr.norm.eps))
        return df_err_set(err, DF_EINVAL, "eps is %g", n->attr.norm.eps);
    if ((rc = want_weight(g, n, 0, per_channel, err)) || (rc = want_weight(g, n, 1, per_channel, err))) return rc;
    *shape = x;
    return DF_OK;
}

static df_code infer_group_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0);
    int groups = n->attr.norm.groups;
    df_code rc;
    if ((rc = want_rank(x, 2, 3, "[H, W, C] or [T, C]", err))) return rc;
    if (groups < 1 || last(x) % groups)
        return df_err_set(err, DF_ESHAPE, "%lld channels do not split into %d groups", (long long)last(x), groups);
    return infer_norm(g, n, shape, err);
}

static df_code infer_attention(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape q = shape_in(g, n, 0), k = shape_in(g, n, 1), v = shape_in(g, n, 2);
    int heads = n->attr.attention.heads;
    if (q.rank != 2 || k.rank != 2 || v.rank != 2 || q.dim[1] != k.dim[1] || k.dim[0] != v.dim[0])
        return df_err_set(err, DF_ESHAPE, "q %s, k %s, v %s: must be [T, D], [S, D], [S, E]", df_shape_format(q).text,
                          df_shape_format(k).text, df_shape_format(v).text);
    if (heads < 1 || q.dim[1] % heads || v.dim[1] % heads)
        return df_err_set(err, DF_ESHAPE, "widths %lld and %lld do not split into %d heads", (long long)q.dim[1],
                          (long long)v.dim[1], heads);
    if (n->attr.attention.causal && q.dim[0] != k.dim[0])
        return df_err_set(err, DF_ESHAPE, "causal with %lld queries and %lld keys", (long long)q.dim[0],
                          (long long)k.dim[0]);
    if (!isfinite(n->attr.attention.scale)) return df_err_set(err, DF_EINVAL, "scale is %g", n->attr.attention.scale);
    *shape = DF_SHAPE(q.dim[0], v.dim[1]);
    return DF_OK;
}

static df_code infer_activation(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    if (n->act == DF_ACT_NONE) return df_err_set(err, DF_EINVAL, "no activation is named");
    *shape = shape_in(g, n, 0);
    return DF_OK;
}

static df_code infer_geglu(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0);
    if (last(x) % 2) return df_err_set(err, DF_ESHAPE, "input %s has an odd width", df_shape_format(x).text);
    *shape = with_last(x, last(x) / 2);
    return DF_OK;
}

static df_code infer_add(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape a = shape_in(g, n, 0), b = shape_in(g, n, 1);
    if (!df_shape_equal(a, b))
        return df_err_set(err, DF_ESHAPE, "%s + %s", df_shape_format(a).text, df_shape_format(b).text);
    *shape = a;
    return DF_OK;
}

static df_code want_channels(df_shape x, df_shape v, df_err *err) {
    if (v.rank == 1 && v.dim[0] == last(x)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s + per channel %s, must be [%lld]", df_shape_format(x).text,
                      df_shape_format(v).text, (long long)last(x));
}

static df_code infer_add_channel(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    *shape = shape_in(g, n, 0);
    return want_channels(*shape, shape_in(g, n, 1), err);
}

static df_code infer_concat(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape a = shape_in(g, n, 0), b = shape_in(g, n, 1);
    if (a.rank != b.rank || !df_shape_equal(a, with_last(b, last(a))))
        return df_err_set(err, DF_ESHAPE, "%s and %s differ before the last dimension", df_shape_format(a).text,
                          df_shape_format(b).text);
    *shape = with_last(a, last(a) + last(b));
    return DF_OK;
}

static df_code infer_upsample(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0), declared = *shape;
    df_code rc = want_rank(x, 3, 3, "a picture [H, W, C]", err);
    if (rc) return rc;
    if (declared.rank != 3 || declared.dim[2] != x.dim[2])
        return df_err_set(err, DF_ESHAPE, "%s to %s changes more than height and width", df_shape_format(x).text,
                          df_shape_format(declared).text);
    return DF_OK;
}

static df_code infer_reshape(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = shape_in(g, n, 0);
    df_code rc = df_shape_check(*shape, err);
    if (rc) return rc;
    if (df_shape_elements(*shape) == df_shape_elements(x)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s does not hold the elements of %s", df_shape_format(*shape).text,
                      df_shape_format(x).text);
}

typedef df_code (*infer_fn)(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);

/* What an op takes: number of inputs, and which fused fields a pass may set. */
static const struct {
    infer_fn infer;
    int n_in;
    bool ids, weights, add_channel, act, residual;
} rules[DF_OP_COUNT] = {
    [DF_OP_EMBEDDING] = { infer_embedding, 1, .ids = true, .weights = true },
    [DF_OP_TIMESTEP_EMBEDDING] = { infer_timestep, 1 },
    [DF_OP_LINEAR] = { infer_linear, 1, .weights = true, .add_channel = true, .act = true, .residual = true },
    [DF_OP_CONV2D] = { infer_conv2d, 1, .weights = true, .add_channel = true, .act = true, .residual = true },
    [DF_OP_GROUP_NORM] = { infer_group_norm, 1, .weights = true, .act = true },
    [DF_OP_LAYER_NORM] = { infer_norm, 1, .weights = true, .act = true },
    [DF_OP_ATTENTION] = { infer_attention, 3 },
    [DF_OP_ACTIVATION] = { infer_activation, 1, .act = true },
    [DF_OP_GEGLU] = { infer_geglu, 1 },
    [DF_OP_ADD] = { infer_add, 2 },
    [DF_OP_ADD_CHANNEL] = { infer_add_channel, 2 },
    [DF_OP_CONCAT] = { infer_concat, 2 },
    [DF_OP_UPSAMPLE_NEAREST] = { infer_upsample, 1 },
    [DF_OP_RESHAPE] = { infer_reshape, 1 },
};

static df_code check_inputs(const df_graph *g, const df_node *n, df_err *err) {
    if (n->n_in != rules[n->op].n_in)
        return df_err_set(err, DF_EINVAL, "%d inputs, must be %d", n->n_in, rules[n->op].n_in);
    if (!rules[n->op].weights && (n->weight[0] != DF_NO_WEIGHT || n->weight[1] != DF_NO_WEIGHT))
        return df_err_set(err, DF_EINVAL, "has weights, but the operation takes none");
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    df_dtype want = rules[n->op].ids ? DF_I32 : DF_F32;
    for (int i = 0; i < n_reads; i++)
        if (g->values[reads[i]].dtype != want)
            return df_err_set(err, DF_EINVAL, "'%s' is %s, must be %s", g->values[reads[i]].name,
                              df_dtype_name(g->values[reads[i]].dtype), df_dtype_name(want));
    return DF_OK;
}

static df_code check_fused(const df_graph *g, const df_node *n, df_shape y, df_err *err) {
    bool add_channel = n->fused_add_channel != DF_NO_VALUE, residual = n->residual != DF_NO_VALUE;
    if ((unsigned)n->act > DF_ACT_RELU) return df_err_set(err, DF_EINVAL, "activation %d is unknown", (int)n->act);
    if ((n->act != DF_ACT_NONE && !rules[n->op].act) || (add_channel && !rules[n->op].add_channel) ||
        (residual && !rules[n->op].residual))
        return df_err_set(err, DF_EINVAL, "the operation cannot take what is fused into it");
    if (residual && df_shape_elements(g->values[n->residual].shape) != df_shape_elements(y))
        return df_err_set(err, DF_ESHAPE, "result %s + residual %s", df_shape_format(y).text,
                          df_shape_format(g->values[n->residual].shape).text);
    return add_channel ? want_channels(y, g->values[n->fused_add_channel].shape, err) : DF_OK;
}

df_code df_node_infer(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_code rc;
    if ((rc = check_inputs(g, n, err))) return rc;
    if ((rc = rules[n->op].infer(g, n, shape, err))) return rc;
    if ((rc = df_shape_check(*shape, err))) return rc;
    return check_fused(g, n, *shape, err);
}

/* Ids in range, and everything the node reads was there before it. */
static df_code check_ids(const df_graph *g, int index, df_err *err) {
    const df_node *n = &g->nodes[index];
    if ((unsigned)n->op >= DF_OP_COUNT || n->n_in < 0 || n->n_in > DF_NODE_MAX_IN)
        return df_err_set(err, DF_EINVAL, "operation %d with %d inputs", (int)n->op, n->n_in);
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    for (int i = 0; i < n_reads; i++)
        if (!df_graph_has_value(g, reads[i]) || g->values[reads[i]].producer >= index)
            return df_err_set(err, DF_EINVAL, "reads value %d before it is there", reads[i]);
    if (!df_graph_has_value(g, n->out) || g->values[n->out].producer != index)
        return df_err_set(err, DF_EINVAL, "result is value %d, which is not its own", n->out);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT && (n->weight[i] < 0 || n->weight[i] >= g->n_weights))
            return df_err_set(err, DF_EINVAL, "weight %d does not exist", n->weight[i]);
    return DF_OK;
}

static df_code check_node(const df_graph *g, int index, df_err *err) {
    const df_node *n = &g->nodes[index];
    df_code rc = check_ids(g, index, err);
    if (rc) return rc;
    df_shape recorded = g->values[n->out].shape, shape = recorded;
    if ((rc = df_node_infer(g, n, &shape, err))) return rc;
    if (df_shape_equal(shape, recorded)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "result is %s, recorded as %s", df_shape_format(shape).text,
                      df_shape_format(recorded).text);
}

df_code df_graph_check(const df_graph *g, df_err *err) {
    for (int i = 0; i < g->n_nodes; i++) {
        df_err why = { 0 };
        df_code rc = check_node(g, i, &why);
        if (rc) return df_err_set(err, rc, "graph '%s': node %d '%s': %s", g->name, i, g->nodes[i].name, why.text);
    }
    return DF_OK;
}

/* The operations of text encoders, U-Nets and autoencoders; infer_transformer.c has the others. */
#include "engine/graph/infer.h"

#include <math.h>

df_code df_want_rank(df_shape s, int low, int high, const char *form, df_err *err) {
    if (s.rank >= low && s.rank <= high) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "input is %s, must be %s", df_shape_format(s).text, form);
}

df_code df_want_weight(const df_graph *g, const df_node *n, int i, df_shape want, df_err *err) {
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

/* The table [V][D] of an embedding. */
static df_code token_table(const df_graph *g, const df_node *n, df_shape *table, df_err *err) {
    if (n->weight[0] == DF_NO_WEIGHT) return df_err_set(err, DF_EINVAL, "needs a table");
    *table = g->weights[n->weight[0]].shape;
    if (table->rank == 2) return df_shape_check(*table, err);
    return df_err_set(err, DF_ESHAPE, "table is %s, must be [V, D]", df_shape_format(*table).text);
}

df_code df_infer_embedding(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape ids = df_shape_in(g, n, 0), token = { 0 };
    df_code rc;
    if ((rc = df_want_rank(ids, 1, 1, "ids [T]", err)) || (rc = token_table(g, n, &token, err))) return rc;
    *shape = DF_SHAPE(ids.dim[0], token.dim[1]);
    if (n->weight[1] == DF_NO_WEIGHT) return DF_OK; /* without positions */
    df_shape position = g->weights[n->weight[1]].shape;
    if ((rc = df_shape_check(position, err))) return rc;
    if (position.rank != 2 || token.dim[1] != position.dim[1])
        return df_err_set(err, DF_ESHAPE, "tables are %s and %s, must be [V, D] and [P, D]",
                          df_shape_format(token).text, df_shape_format(position).text);
    if (position.dim[0] < ids.dim[0])
        return df_err_set(err, DF_ESHAPE, "%lld ids, but the table has %lld positions", (long long)ids.dim[0],
                          (long long)position.dim[0]);
    return DF_OK;
}

df_code df_infer_class_embedding(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape ids = df_shape_in(g, n, 0), table = { 0 };
    df_code rc;
    if (df_shape_elements(ids) != 1)
        return df_err_set(err, DF_ESHAPE, "class is %s, must be [1]", df_shape_format(ids).text);
    if ((rc = token_table(g, n, &table, err)) || (rc = df_want_weight(g, n, 1, df_no_shape, err))) return rc;
    *shape = DF_SHAPE(table.dim[1]);
    return DF_OK;
}

df_code df_infer_timestep(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    const df_timestep_attr *a = &n->attr.timestep;
    df_shape t = df_shape_in(g, n, 0);
    df_code rc = df_want_rank(t, 1, 1, "numbers [n]", err);
    if (rc) return rc;
    if (a->dim < 2 || !(a->max_period > 0) || a->freq_shift >= a->dim / 2)
        return df_err_set(err, DF_EINVAL,
                          "dim %d, max_period %g, freq_shift %g: need dim >= 2, period > 0, "
                          "shift < dim / 2",
                          a->dim, a->max_period, a->freq_shift);
    int64_t width;
    if (__builtin_mul_overflow(t.dim[0], (int64_t)a->dim, &width))
        return df_err_set(err, DF_ELIMIT, "%lld numbers of %d sinusoids", (long long)t.dim[0], a->dim);
    *shape = DF_SHAPE(width);
    return DF_OK;
}

df_code df_infer_linear(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    int64_t out = outputs_of(g, n);
    df_code rc;
    if ((rc = df_want_weight(g, n, 0, DF_SHAPE(out, df_last(x)), err))) return rc;
    if ((rc = df_want_weight(g, n, 1, n->attr.linear.no_bias ? df_no_shape : DF_SHAPE(out), err))) return rc;
    *shape = df_with_last(x, out);
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

df_code df_infer_conv2d(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    const df_conv_attr *a = &n->attr.conv;
    df_shape x = df_shape_in(g, n, 0);
    int64_t out = outputs_of(g, n), k = a->kernel;
    df_code rc;
    if ((rc = df_want_rank(x, 3, 3, "a picture [H, W, C]", err)) || (rc = check_conv_attr(a, err))) return rc;
    if ((rc = df_want_weight(g, n, 0, DF_SHAPE(out, x.dim[2], k, k), err))) return rc;
    if ((rc = df_want_weight(g, n, 1, a->no_bias ? df_no_shape : DF_SHAPE(out), err))) return rc;
    int64_t h = x.dim[0] + a->pad.top + a->pad.bottom - k, w = x.dim[1] + a->pad.left + a->pad.right - k;
    if (h < 0 || w < 0)
        return df_err_set(err, DF_ESHAPE, "input %s with its padding is smaller than the %lldx%lld kernel",
                          df_shape_format(x).text, (long long)k, (long long)k);
    *shape = DF_SHAPE(h / a->stride + 1, w / a->stride + 1, out);
    return DF_OK;
}

df_code df_infer_upsample_conv2d(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    int64_t out = outputs_of(g, n);
    df_code rc;
    if ((rc = df_want_rank(x, 3, 3, "a picture [H, W, C]", err))) return rc;
    if ((rc = df_want_weight(g, n, 0, DF_SHAPE(out, x.dim[2], 3, 3), err))) return rc;
    if ((rc = df_want_weight(g, n, 1, n->attr.conv.no_bias ? df_no_shape : DF_SHAPE(out), err))) return rc;
    *shape = DF_SHAPE(2 * x.dim[0], 2 * x.dim[1], out);
    return DF_OK;
}

df_code df_infer_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0), per_channel = n->attr.norm.no_affine ? df_no_shape : DF_SHAPE(df_last(x));
    df_code rc;
    if (!(n->attr.norm.eps >= 0) || !isfinite(n->attr.norm.eps))
        return df_err_set(err, DF_EINVAL, "eps is %g", n->attr.norm.eps);
    if ((rc = df_want_weight(g, n, 0, per_channel, err)) || (rc = df_want_weight(g, n, 1, per_channel, err))) return rc;
    *shape = x;
    return DF_OK;
}

df_code df_infer_group_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    int groups = n->attr.norm.groups;
    df_code rc;
    if ((rc = df_want_rank(x, 2, 3, "[H, W, C] or [T, C]", err))) return rc;
    if (groups < 1 || df_last(x) % groups)
        return df_err_set(err, DF_ESHAPE, "%lld channels do not split into %d groups", (long long)df_last(x), groups);
    return df_infer_norm(g, n, shape, err);
}

/* T5's buckets: half of them for keys before the query, half of these for single distances. */
static df_code check_bias(const df_graph *g, const df_node *n, df_err *err) {
    int buckets = n->attr.attention.bias_buckets, heads = n->attr.attention.heads;
    int distance = n->attr.attention.bias_max_distance;
    df_code rc;
    if ((rc = df_want_weight(g, n, 1, df_no_shape, err))) return rc;
    if (!buckets) return df_want_weight(g, n, 0, df_no_shape, err);
    if (buckets < 4 || distance <= buckets / 4)
        return df_err_set(err, DF_EINVAL, "%d buckets of distances up to %d: need at least 4, and more than %d",
                          buckets, distance, buckets / 4);
    if (n->attr.attention.causal) return df_err_set(err, DF_EUNSUPPORTED, "relative positions in causal attention");
    return df_want_weight(g, n, 0, DF_SHAPE(buckets, heads), err);
}

df_code df_infer_attention(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape q = df_shape_in(g, n, 0), k = df_shape_in(g, n, 1), v = df_shape_in(g, n, 2);
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
    return check_bias(g, n, err);
}

df_code df_infer_activation(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    if (n->act == DF_ACT_NONE) return df_err_set(err, DF_EINVAL, "no activation is named");
    *shape = df_shape_in(g, n, 0);
    return DF_OK;
}

df_code df_infer_geglu(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    if (df_last(x) % 2) return df_err_set(err, DF_ESHAPE, "input %s has an odd width", df_shape_format(x).text);
    *shape = df_with_last(x, df_last(x) / 2);
    return DF_OK;
}

df_code df_infer_alike(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape a = df_shape_in(g, n, 0), b = df_shape_in(g, n, 1);
    if (!df_shape_equal(a, b))
        return df_err_set(err, DF_ESHAPE, "%s and %s, must be alike", df_shape_format(a).text, df_shape_format(b).text);
    *shape = a;
    return DF_OK;
}

df_code df_want_channels(df_shape x, df_shape v, df_err *err) {
    if (v.rank == 1 && v.dim[0] == df_last(x)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s with %s per channel, must be [%lld]", df_shape_format(x).text,
                      df_shape_format(v).text, (long long)df_last(x));
}

df_code df_infer_per_channel(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    *shape = df_shape_in(g, n, 0);
    df_code rc = DF_OK;
    for (int i = 1; i < n->n_in && !rc; i++) rc = df_want_channels(*shape, df_shape_in(g, n, i), err);
    return rc;
}

df_code df_infer_concat(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape a = df_shape_in(g, n, 0), b = df_shape_in(g, n, 1);
    if (a.rank != b.rank || !df_shape_equal(a, df_with_last(b, df_last(a))))
        return df_err_set(err, DF_ESHAPE, "%s and %s differ before the last dimension", df_shape_format(a).text,
                          df_shape_format(b).text);
    *shape = df_with_last(a, df_last(a) + df_last(b));
    return DF_OK;
}

df_code df_infer_upsample(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0), declared = *shape;
    df_code rc = df_want_rank(x, 3, 3, "a picture [H, W, C]", err);
    if (rc) return rc;
    if (declared.rank != 3 || declared.dim[2] != x.dim[2])
        return df_err_set(err, DF_ESHAPE, "%s to %s changes more than height and width", df_shape_format(x).text,
                          df_shape_format(declared).text);
    return DF_OK;
}

df_code df_infer_reshape(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    df_code rc = df_shape_check(*shape, err);
    if (rc) return rc;
    if (df_shape_elements(*shape) == df_shape_elements(x)) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s does not hold the elements of %s", df_shape_format(*shape).text,
                      df_shape_format(x).text);
}

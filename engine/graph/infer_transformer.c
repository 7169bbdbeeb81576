/* The operations of the transformer families, and the codebook of VQ models. */
#include <math.h>

#include "engine/graph/infer.h"

df_code df_infer_rms_norm(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_code rc;
    *shape = df_shape_in(g, n, 0);
    if (!(n->attr.norm.eps >= 0) || !isfinite(n->attr.norm.eps))
        return df_err_set(err, DF_EINVAL, "eps is %g", n->attr.norm.eps);
    if ((rc = df_want_weight(g, n, 0, DF_SHAPE(df_last(*shape)), err))) return rc;
    return df_want_weight(g, n, 1, df_no_shape, err);
}

df_code df_infer_scale(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    *shape = df_shape_in(g, n, 0);
    if (isfinite(n->attr.affine.by) && isfinite(n->attr.affine.plus)) return DF_OK;
    return df_err_set(err, DF_EINVAL, "x * %g + %g", n->attr.affine.by, n->attr.affine.plus);
}

static df_code check_range(const df_node *n, int64_t of, df_err *err) {
    int64_t first = n->attr.slice.first, count = n->attr.slice.count;
    if (first >= 0 && count >= 1 && first < of && count <= of - first) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%lld from %lld on, of %lld", (long long)count, (long long)first, (long long)of);
}

df_code df_infer_slice(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    *shape = df_with_last(x, n->attr.slice.count);
    return check_range(n, df_last(x), err);
}

static const char tokens_form[] = "tokens [T, D]";

df_code df_infer_slice_tokens(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    df_code rc = df_want_rank(x, 2, 2, tokens_form, err);
    if (rc) return rc;
    *shape = DF_SHAPE(n->attr.slice.count, x.dim[1]);
    return check_range(n, x.dim[0], err);
}

df_code df_infer_concat_tokens(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape a = df_shape_in(g, n, 0), b = df_shape_in(g, n, 1);
    df_code rc;
    if ((rc = df_want_rank(a, 2, 2, tokens_form, err)) || (rc = df_want_rank(b, 2, 2, tokens_form, err))) return rc;
    if (a.dim[1] != b.dim[1])
        return df_err_set(err, DF_ESHAPE, "tokens %s and %s differ in width", df_shape_format(a).text,
                          df_shape_format(b).text);
    *shape = DF_SHAPE(a.dim[0] + b.dim[0], a.dim[1]);
    return DF_OK;
}

int64_t df_constant_positions(df_shape x, int64_t grid_h, int64_t grid_w) {
    int64_t positions;
    if (!grid_h && !grid_w) return x.rank ? df_shape_elements(x) / df_last(x) : -1;
    return grid_h > 0 && grid_w > 0 && !__builtin_mul_overflow(grid_h, grid_w, &positions) ? positions : -1;
}

df_code df_infer_add_constant(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    int64_t grid_h = n->attr.constant.grid_h, grid_w = n->attr.constant.grid_w;
    df_shape x = *shape = df_shape_in(g, n, 0);
    bool crop = grid_h || grid_w;
    df_code rc;
    if ((rc = df_want_rank(x, crop ? 3 : 2, 3, crop ? "[h, w, D]" : "[T, D] or [h, w, D]", err))) return rc;
    if (crop && (x.dim[0] > grid_h || x.dim[1] > grid_w))
        return df_err_set(err, DF_ESHAPE, "input %s is larger than the stored grid of %lld x %lld",
                          df_shape_format(x).text, (long long)grid_h, (long long)grid_w);
    if ((rc = df_want_weight(g, n, 1, df_no_shape, err))) return rc;
    return df_want_weight(g, n, 0, DF_SHAPE(1, df_constant_positions(x, grid_h, grid_w), df_last(x)), err);
}

df_code df_infer_unpatchify(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    int64_t h = n->attr.patch.h, w = n->attr.patch.w, p = n->attr.patch.patch, tokens;
    df_code rc = df_want_rank(x, 2, 2, "tokens [h*w, patch*patch*C]", err);
    if (rc) return rc;
    if (h < 1 || w < 1 || __builtin_mul_overflow(h, w, &tokens) || tokens != x.dim[0])
        return df_err_set(err, DF_ESHAPE, "%s does not hold %lld x %lld tokens", df_shape_format(x).text, (long long)h,
                          (long long)w);
    if (p < 1 || x.dim[1] % (p * p))
        return df_err_set(err, DF_ESHAPE, "tokens of %s do not split into patches of %lld x %lld",
                          df_shape_format(x).text, (long long)p, (long long)p);
    *shape = DF_SHAPE(h * p, w * p, x.dim[1] / (p * p));
    return DF_OK;
}

df_code df_infer_quantize(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_shape x = df_shape_in(g, n, 0);
    int64_t vocab = n->weight[0] == DF_NO_WEIGHT ? 0 : g->weights[n->weight[0]].shape.dim[0];
    df_code rc;
    *shape = x;
    if ((rc = df_want_rank(x, 2, 3, "[H, W, C] or [T, C]", err))) return rc;
    if ((rc = df_want_weight(g, n, 0, DF_SHAPE(vocab, df_last(x)), err))) return rc;
    return df_want_weight(g, n, 1, df_no_shape, err);
}

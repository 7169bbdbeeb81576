#include "engine/graph/shape.h"

#include <math.h>
#include <stdio.h>

#include "engine/graph/graph_impl.h"
#include "engine/graph/infer.h"

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

/* What an op takes: number of inputs, and which fused fields a pass may set. */
static const struct {
    df_infer_fn infer;
    int n_in;
    bool ids, numbers; /* takes I32, F64; else activations */
    bool weights, add_channel, act, residual;
} rules[DF_OP_COUNT] = {
    [DF_OP_EMBEDDING] = { df_infer_embedding, 1, .ids = true, .weights = true },
    [DF_OP_TIMESTEP_EMBEDDING] = { df_infer_timestep, 1, .numbers = true },
    [DF_OP_LINEAR] = { df_infer_linear, 1, .weights = true, .add_channel = true, .act = true, .residual = true },
    [DF_OP_CONV2D] = { df_infer_conv2d, 1, .weights = true, .add_channel = true, .act = true, .residual = true },
    [DF_OP_GROUP_NORM] = { df_infer_group_norm, 1, .weights = true, .act = true },
    [DF_OP_LAYER_NORM] = { df_infer_norm, 1, .weights = true, .act = true },
    [DF_OP_ATTENTION] = { df_infer_attention, 3, .weights = true },
    [DF_OP_ACTIVATION] = { df_infer_activation, 1, .act = true },
    [DF_OP_GEGLU] = { df_infer_geglu, 1 },
    [DF_OP_ADD] = { df_infer_alike, 2 },
    [DF_OP_ADD_CHANNEL] = { df_infer_per_channel, 2 },
    [DF_OP_CONCAT] = { df_infer_concat, 2 },
    [DF_OP_UPSAMPLE_NEAREST] = { df_infer_upsample, 1 },
    [DF_OP_RESHAPE] = { df_infer_reshape, 1 },
    [DF_OP_RMS_NORM] = { df_infer_rms_norm, 1, .weights = true },
    [DF_OP_MODULATE] = { df_infer_per_channel, 3 },
    [DF_OP_GATE] = { df_infer_per_channel, 2, .residual = true },
    [DF_OP_MUL] = { df_infer_alike, 2 },
    [DF_OP_SCALE] = { df_infer_scale, 1 },
    [DF_OP_SLICE] = { df_infer_slice, 1 },
    [DF_OP_CONCAT_TOKENS] = { df_infer_concat_tokens, 2 },
    [DF_OP_SLICE_TOKENS] = { df_infer_slice_tokens, 1 },
    [DF_OP_ADD_CONSTANT] = { df_infer_add_constant, 1, .weights = true },
    [DF_OP_CLASS_EMBEDDING] = { df_infer_class_embedding, 1, .ids = true, .weights = true },
    [DF_OP_UNPATCHIFY] = { df_infer_unpatchify, 1 },
    [DF_OP_QUANTIZE] = { df_infer_quantize, 1, .weights = true },
    [DF_OP_UPSAMPLE_CONV2D] = { df_infer_upsample_conv2d, 1, .weights = true, .add_channel = true, .act = true,
                                .residual = true },
};

static df_code check_inputs(const df_graph *g, const df_node *n, df_err *err) {
    if (n->n_in != rules[n->op].n_in)
        return df_err_set(err, DF_EINVAL, "%d inputs, must be %d", n->n_in, rules[n->op].n_in);
    if (!rules[n->op].weights && (n->weight[0] != DF_NO_WEIGHT || n->weight[1] != DF_NO_WEIGHT))
        return df_err_set(err, DF_EINVAL, "has weights, but the operation takes none");
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    df_dtype want = rules[n->op].ids ? DF_I32 : rules[n->op].numbers ? DF_F64 : DF_F32;
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
    return add_channel ? df_want_channels(y, g->values[n->fused_add_channel].shape, err) : DF_OK;
}

/* Integer sums must fit 32 bits, however the inputs fall. */
static df_code check_int8(const df_graph *g, const df_node *n, df_err *err) {
    if (n->int8.scale == 0) return DF_OK;
    if (n->op != DF_OP_LINEAR && n->op != DF_OP_CONV2D)
        return df_err_set(err, DF_EINVAL, "the operation has no product to be computed in 8 bits");
    if (!(n->int8.scale > 0) || !isfinite(n->int8.scale) || !isfinite(1 / n->int8.scale) || n->int8.zero < 0 ||
        n->int8.zero > 255)
        return df_err_set(err, DF_EINVAL, "int8 with steps of %g and zero at %d", (double)n->int8.scale, n->int8.zero);
    df_shape w = g->weights[n->weight[0]].shape;
    int64_t products = df_shape_elements(w) / w.dim[0];
    if (products <= DF_INT8_MAX_PRODUCTS) return DF_OK;
    return df_err_set(err, DF_ELIMIT, "sums of %lld products, int8 takes at most %d", (long long)products,
                      DF_INT8_MAX_PRODUCTS);
}

df_code df_node_infer(const df_graph *g, const df_node *n, df_shape *shape, df_err *err) {
    df_code rc;
    if ((rc = check_inputs(g, n, err))) return rc;
    if ((rc = rules[n->op].infer(g, n, shape, err))) return rc;
    if ((rc = df_shape_check(*shape, err))) return rc;
    if ((rc = check_int8(g, n, err))) return rc;
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

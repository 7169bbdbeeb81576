/* The table of the backend `cuda`, and what all its ops have in common: weights, checks, the rest of the epilogue. */
#include "engine/backend/cuda/backend.h"

#include <stdlib.h>

#include "engine/backend/cuda/kernel.h"
#include "engine/backend/cuda/rest.h"
#include "engine/backend/cuda/space.h"
#include "engine/backend/int8.h"

/* RESHAPE is not run. */
static const df_cuda_op *const ops[DF_OP_COUNT] = {
    [DF_OP_EMBEDDING] = &df_cuda_op_embedding,
    [DF_OP_TIMESTEP_EMBEDDING] = &df_cuda_op_timestep_embedding,
    [DF_OP_LINEAR] = &df_cuda_op_linear,
    [DF_OP_CONV2D] = &df_cuda_op_conv2d,
    [DF_OP_GROUP_NORM] = &df_cuda_op_group_norm,
    [DF_OP_LAYER_NORM] = &df_cuda_op_layer_norm,
    [DF_OP_ATTENTION] = &df_cuda_op_attention,
    [DF_OP_ACTIVATION] = &df_cuda_op_activation,
    [DF_OP_GEGLU] = &df_cuda_op_geglu,
    [DF_OP_ADD] = &df_cuda_op_add,
    [DF_OP_ADD_CHANNEL] = &df_cuda_op_add_channel,
    [DF_OP_CONCAT] = &df_cuda_op_concat,
    [DF_OP_UPSAMPLE_NEAREST] = &df_cuda_op_upsample_nearest,
    [DF_OP_RMS_NORM] = &df_cuda_op_rms_norm,
    [DF_OP_MODULATE] = &df_cuda_op_modulate,
    [DF_OP_GATE] = &df_cuda_op_gate,
    [DF_OP_MUL] = &df_cuda_op_mul,
    [DF_OP_SCALE] = &df_cuda_op_scale,
    [DF_OP_SLICE] = &df_cuda_op_slice,
    [DF_OP_CONCAT_TOKENS] = &df_cuda_op_concat_tokens,
    [DF_OP_SLICE_TOKENS] = &df_cuda_op_slice_tokens,
    [DF_OP_ADD_CONSTANT] = &df_cuda_op_add_constant,
    [DF_OP_CLASS_EMBEDDING] = &df_cuda_op_class_embedding,
    [DF_OP_UNPATCHIFY] = &df_cuda_op_unpatchify,
    [DF_OP_QUANTIZE] = &df_cuda_op_quantize,
    [DF_OP_UPSAMPLE_CONV2D] = &df_cuda_op_upsample_conv2d,
};

enum { SCRATCH_ALIGNED = 256 }; /* as libraries want their workspace */

static df_code backend_open(void **ctx, const df_backend_cfg *cfg, df_err *err) {
    df_cuda_ctx *c = NULL;
    df_code rc = df_cuda_ctx_open(&c, cfg, err);
    if (!rc) *ctx = c;
    return rc;
}

static void backend_close(void **ctx) {
    df_cuda_ctx *c = *ctx;
    df_cuda_ctx_close(&c);
    *ctx = NULL;
}

static df_dtype type_of(const df_kernel *k, df_cuda_held held) {
    return held == DF_CUDA_IN_F32 ? DF_F32 : k->ctx->dtype;
}

static int64_t weight_elements(const df_kernel *k, int i) {
    df_weight_id id = k->node->weight[i];
    return id == DF_NO_WEIGHT ? 0 : df_shape_elements(k->g->weights[id].shape);
}

static df_code hold_weights(df_kernel *k, const float *const *weights, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS && !rc; i++) {
        df_cuda_held held = k->op->held[i];
        if (held != DF_CUDA_NOT_HELD)
            rc = df_cuda_upload(k->ctx, &k->weight[i], type_of(k, held), weights[i], weight_elements(k, i), err);
    }
    return rc;
}

static void node_close(df_kernel **kernel) {
    if (!kernel || !*kernel) return;
    df_kernel *k = *kernel;
    df_cuda_enter(k->ctx, NULL);
    if (k->op->close) k->op->close(k);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) df_cuda_release(k->ctx, k->weight[i]);
    free(k);
    *kernel = NULL;
}

static size_t node_weight_bytes(void *ctx, const df_graph *g, const df_node *node) {
    const df_cuda_op *op = ops[node->op];
    const df_kernel k = { .ctx = ctx, .g = g, .node = node, .op = op };
    if (!op) return 0;
    size_t bytes = op->weight_bytes ? op->weight_bytes(&k) : 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (op->held[i] != DF_CUDA_NOT_HELD)
            bytes += (size_t)weight_elements(&k, i) * df_dtype_bytes(type_of(&k, op->held[i]));
    return bytes;
}

static df_code open_kernel(df_kernel *k, const float *const *weights, df_err *err) {
    if (df_node_is_int8(k->node)) return df_err_set(err, DF_EUNSUPPORTED, "backend cuda has no products in 8 bits");
    df_code rc = df_cuda_enter(k->ctx, err);
    if (!rc) rc = hold_weights(k, weights, err);
    return rc || !k->op->open ? rc : k->op->open(k, weights, err);
}

static df_code node_open(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                         const float *const *weights, df_err *err) {
    df_kernel *k = calloc(1, sizeof *k);
    if (!k) return df_err_set(err, DF_ENOMEM, "%s", node->name);
    *k = (df_kernel) { .ctx = ctx, .g = g, .node = node, .op = ops[node->op] };
    df_err why = { 0 };
    df_code rc = open_kernel(k, weights, &why);
    if (rc) {
        node_close(&k);
        return df_err_set(err, rc, "%s: %s", node->name, why.text);
    }
    *out = k;
    return DF_OK;
}

static df_code node_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (n_rows < 1 || n_rows > DF_MAX_ROWS)
        return df_err_set(err, DF_EINVAL, "%s: %lld rows, must be 1 to %lld", k->node->name, (long long)n_rows,
                          (long long)DF_MAX_ROWS);
    size_t own = 0;
    df_code rc = df_cuda_enter(k->ctx, err);
    if (!rc && k->op->prepare) rc = k->op->prepare(k, n_rows, &own, err);
    *scratch_bytes = own ? own + SCRATCH_ALIGNED : 0;
    return rc;
}

/* The fused parts that the op does not do itself. The residual must then lie elsewhere than out. */
static df_code finish(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    df_act act = k->op->does_act ? DF_ACT_NONE : k->node->act;
    if (k->op->does_all || (!r->add_channel && act == DF_ACT_NONE && !r->residual)) return DF_OK;
    if (k->op->does_act && r->add_channel && k->node->act != DF_ACT_NONE)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: add_channel before an activation", k->node->name);
    if (r->residual == r->out)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: the residual lies where the result goes", k->node->name);
    const df_cuda_rest rest = { .add_channel = true, .act = !k->op->does_act, .residual = true };
    return df_cuda_rest_run(k, &rest, r, r->out, err);
}

static df_code node_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    df_shape s = df_cuda_out_shape(k);
    uintptr_t at = ((uintptr_t)scratch + SCRATCH_ALIGNED - 1) / SCRATCH_ALIGNED * SCRATCH_ALIGNED;
    const df_cuda_run r = { .n_rows = n_rows,
                            .in = in,
                            .add_channel = add_channel,
                            .residual = residual,
                            .out = out,
                            .scratch = scratch ? (char *)scratch + (at - (uintptr_t)scratch) : NULL,
                            .positions = df_shape_elements(s) / df_cuda_last_dim(s),
                            .channels = df_cuda_last_dim(s) };
    df_code rc = df_cuda_enter(k->ctx, err);
    if (!rc) rc = k->op->run(k, &r, err);
    return rc ? rc : finish(k, &r, err);
}

const df_backend df_backend_cuda = {
    .name = "cuda",
    .open = backend_open,
    .close = backend_close,
    .node_open = node_open,
    .node_close = node_close,
    .node_weight_bytes = node_weight_bytes,
    .node_prepare = node_prepare,
    .node_run = node_run,
    .space = &df_cuda_space,
};

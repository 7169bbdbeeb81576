/* The table of the backend `cpu`, and what all its ops have in common: checks, threads, the rest of the epilogue. */
#include "engine/backend/backend.h"

#include <stdlib.h>
#include <string.h>

#include "engine/backend/cpu/kernel.h"

static const df_cpu_op *const ops[DF_OP_COUNT] = {
    [DF_OP_EMBEDDING] = &df_cpu_embedding,
    [DF_OP_TIMESTEP_EMBEDDING] = &df_cpu_timestep_embedding,
    [DF_OP_LINEAR] = &df_cpu_linear,
    [DF_OP_CONV2D] = &df_cpu_conv2d,
    [DF_OP_GROUP_NORM] = &df_cpu_group_norm,
    [DF_OP_LAYER_NORM] = &df_cpu_layer_norm,
    [DF_OP_ATTENTION] = &df_cpu_attention,
    [DF_OP_ACTIVATION] = &df_cpu_activation,
    [DF_OP_GEGLU] = &df_cpu_geglu,
    [DF_OP_ADD] = &df_cpu_add,
    [DF_OP_ADD_CHANNEL] = &df_cpu_add_channel,
    [DF_OP_CONCAT] = &df_cpu_concat,
    [DF_OP_UPSAMPLE_NEAREST] = &df_cpu_upsample_nearest,
    [DF_OP_RESHAPE] = &df_cpu_reshape,
    [DF_OP_RMS_NORM] = &df_cpu_rms_norm,
    [DF_OP_MODULATE] = &df_cpu_modulate,
    [DF_OP_GATE] = &df_cpu_gate,
    [DF_OP_MUL] = &df_cpu_mul,
    [DF_OP_SCALE] = &df_cpu_scale,
    [DF_OP_SLICE] = &df_cpu_slice,
    [DF_OP_CONCAT_TOKENS] = &df_cpu_concat_tokens,
    [DF_OP_SLICE_TOKENS] = &df_cpu_slice_tokens,
    [DF_OP_ADD_CONSTANT] = &df_cpu_add_constant,
    [DF_OP_CLASS_EMBEDDING] = &df_cpu_class_embedding,
    [DF_OP_UNPATCHIFY] = &df_cpu_unpatchify,
    [DF_OP_QUANTIZE] = &df_cpu_quantize,
    [DF_OP_UPSAMPLE_CONV2D] = &df_cpu_upsample_conv2d,
};

float *df_cpu_copy(const float *x, int64_t floats) {
    float *copy = x ? malloc((size_t)floats * sizeof *x) : NULL;
    return copy ? memcpy(copy, x, (size_t)floats * sizeof *x) : NULL;
}

void *df_cpu_copy_as_activations(const df_cpu_ctx *ctx, const float *x, int64_t elements) {
    void *copy = x ? malloc((size_t)elements * ctx->unit) : NULL;
    for (int64_t i = 0; copy && i < elements; i++) df_dtype_store(ctx->dtype, copy, (size_t)i, (double)x[i]);
    return copy;
}

void df_cpu_epilogue(const df_cpu_ctx *ctx, void *y, const void *x, int64_t n_rows, int64_t positions, int64_t c,
                     const void *add_channel, df_act act, const void *residual) {
    int64_t all = n_rows * positions;
    int parts = df_cpu_parts(ctx, all * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(all, parts, part, &begin, &end);
        while (begin < end) { /* up to the end of a row: its channels change there */
            int64_t row = begin / positions, stop = (row + 1) * positions < end ? (row + 1) * positions : end;
            ctx->simd->epilogue(df_cpu_to(ctx, y, begin * c), df_cpu_from(ctx, x, begin * c), stop - begin, c,
                                add_channel ? df_cpu_from(ctx, add_channel, row * c) : NULL, act,
                                residual ? df_cpu_from(ctx, residual, begin * c) : NULL);
            begin = stop;
        }
    }
}

void df_cpu_each_span(const df_kernel *k, const df_cpu_run *r, df_cpu_span_fn do_span) {
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s), positions = df_shape_elements(s) / c, all = r->n_rows * positions;
    int parts = df_cpu_parts(k->ctx, all * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(all, parts, part, &begin, &end);
        while (begin < end) {
            int64_t row = begin / positions, stop = (row + 1) * positions < end ? (row + 1) * positions : end;
            do_span(k, r, row, begin, stop - begin);
            begin = stop;
        }
    }
}

/* The fused parts that the op does not do itself. The residual must then lie elsewhere than out. */
static df_code rest_of_epilogue(df_kernel *k, const df_cpu_run *r, df_err *err) {
    df_act act = k->op->does_act ? DF_ACT_NONE : k->node->act;
    if (k->op->does_all || (!r->add_channel && act == DF_ACT_NONE && !r->residual)) return DF_OK;
    if (k->op->does_act && r->add_channel && k->node->act != DF_ACT_NONE)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: add_channel before an activation", k->node->name);
    if (r->residual == r->out)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: the residual lies where the result goes", k->node->name);
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s);
    df_cpu_epilogue(k->ctx, r->out, r->out, r->n_rows, df_shape_elements(s) / c, c, r->add_channel, act, r->residual);
    return DF_OK;
}

static df_code backend_open(void **ctx, const df_backend_cfg *cfg, df_err *err) {
    df_cpu_ctx *c = NULL;
    df_code rc = df_cpu_ctx_open(&c, cfg, err);
    if (!rc) *ctx = c;
    return rc;
}

static void backend_close(void **ctx) {
    df_cpu_ctx *c = *ctx;
    df_cpu_ctx_close(&c);
    *ctx = NULL;
}

static void node_close(df_kernel **kernel) {
    if (!kernel || !*kernel) return;
    df_kernel *k = *kernel;
    if (k->op->close && k->state)
        k->op->close(k->state);
    else
        free(k->state);
    free(k);
    *kernel = NULL;
}

static size_t node_weight_bytes(void *ctx, const df_graph *g, const df_node *node) {
    const df_cpu_op *op = ops[node->op];
    const df_kernel k = { .ctx = ctx, .g = g, .node = node, .op = op };
    return op->weight_bytes ? op->weight_bytes(&k) : (size_t)df_node_parameters(g, node) * k.ctx->unit;
}

static df_code node_open(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                         const float *const *weights, df_err *err) {
    df_kernel *k = calloc(1, sizeof *k);
    if (!k) return df_err_set(err, DF_ENOMEM, "%s", node->name);
    *k = (df_kernel) { .ctx = ctx, .g = g, .node = node, .op = ops[node->op] };
    if (!weights[0] && node->weight[0] != DF_NO_WEIGHT && !k->op->finds_packed) {
        node_close(&k);
        return df_err_set(err, DF_ENOTFOUND, "%s: its weights are not kept packed", node->name);
    }
    if (k->op->open) {
        df_err why = { 0 };
        int saved = df_cpu_enter(k->ctx->threads);
        df_code rc = k->op->open(k, weights, &why);
        df_cpu_leave(saved);
        if (rc) {
            node_close(&k);
            return df_err_set(err, rc, "%s: %s", node->name, why.text);
        }
    }
    *out = k;
    return DF_OK;
}

static df_code node_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (n_rows < 1) return df_err_set(err, DF_EINVAL, "%s: %lld rows", k->node->name, (long long)n_rows);
    *scratch_bytes = 0;
    if (!k->op->prepare) return DF_OK;
    int saved = df_cpu_enter(k->ctx->threads);
    df_code rc = k->op->prepare(k, n_rows, scratch_bytes, err);
    df_cpu_leave(saved);
    return rc;
}

static df_code node_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    df_cpu_run r = { n_rows, in, add_channel, residual, out, scratch };
    int saved = df_cpu_enter(k->ctx->threads);
    df_code rc = k->op->run(k, &r, err);
    if (!rc) rc = rest_of_epilogue(k, &r, err);
    df_cpu_leave(saved);
    return rc;
}

static int n_lanes(const void *ctx) {
    return ((const df_cpu_ctx *)ctx)->threads;
}

static void each_lane(void *ctx, void (*fn)(void *arg, int lane), void *arg) {
    int lanes = n_lanes(ctx);
#pragma omp parallel for schedule(static, 1) num_threads(lanes)
    for (int lane = 0; lane < lanes; lane++) fn(arg, lane);
}

static df_kernel in_lane(const df_kernel *k, int lane) {
    df_kernel mine = *k;
    mine.ctx = &k->ctx->lanes[lane];
    return mine;
}

static df_code lane_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    df_kernel mine = in_lane(k, 0);
    return node_prepare(&mine, n_rows, scratch_bytes, err);
}

static df_code lane_run(df_kernel *k, int lane, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    df_kernel mine = in_lane(k, lane);
    return node_run(&mine, n_rows, in, add_channel, residual, out, scratch, err);
}

const df_backend df_backend_cpu = {
    .name = "cpu",
    .keeps_packed = true,
    .open = backend_open,
    .close = backend_close,
    .node_open = node_open,
    .node_close = node_close,
    .node_weight_bytes = node_weight_bytes,
    .node_prepare = node_prepare,
    .node_run = node_run,
    .n_lanes = n_lanes,
    .each_lane = each_lane,
    .lane_prepare = lane_prepare,
    .lane_run = lane_run,
};

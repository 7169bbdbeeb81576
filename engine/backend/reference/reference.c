#include "engine/backend/reference/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/size.h"
#include "engine/backend/int8.h"

typedef struct context {
    df_dtype dtype;
    int threads;
} context;

struct df_kernel {
    const df_graph *g; /* borrowed */
    const df_node *node; /* borrowed */
    df_ref_fn run;
    int threads;
    float *weight[DF_NODE_MAX_WEIGHTS]; /* as df_ref_call has them */
    float *int8_scale; /* likewise */
    void (*to_int8)(void *q, const void *x, int64_t n, df_int8 how);
    size_t unit; /* bytes of an activation */
};

static const struct {
    df_ref_fn f32, f64;
} ops[DF_OP_COUNT] = {
#define X(op, name) [DF_OP_##op] = { df_ref_##name##_f32, df_ref_##name##_f64 },
    DF_REF_OPS(X)
#undef X
};

static df_code reference_open(void **ctx, const df_backend_cfg *cfg, df_err *err) {
    if (cfg->dtype != DF_F32 && cfg->dtype != DF_F64)
        return df_err_set(err, DF_EUNSUPPORTED, "the reference backend computes in F32 or F64, not %s",
                          df_dtype_name(cfg->dtype));
    context *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "reference backend: %zu bytes", sizeof *c);
    c->dtype = cfg->dtype;
    c->threads = cfg->threads > 0 ? cfg->threads : df_cores_count();
    *ctx = c;
    return DF_OK;
}

static void reference_close(void **ctx) {
    free(*ctx);
    *ctx = NULL;
}

/* [O][I][taps] -> [taps][I][O]: outputs side by side, as add_products wants them. */
static void pack_outputs_last(float *to, const float *from, df_shape s) {
    int64_t out = s.dim[0], in = s.dim[1], taps = s.rank == 4 ? s.dim[2] * s.dim[3] : 1;
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t t = 0; t < taps; t++) to[(t * in + i) * out + o] = from[(o * in + i) * taps + t];
}

/* In place of weights [O][..]: their codes; the scales of the sums of a product in 8 bits are kept. */
static df_code to_codes(df_kernel *k, float *w, df_shape s, df_err *err) {
    int64_t all = df_shape_elements(s), out = s.dim[0];
    int8_t *codes = malloc((size_t)all);
    k->int8_scale = malloc((size_t)out * sizeof(float));
    if (codes && k->int8_scale) {
        df_int8_weights(codes, k->int8_scale, w, out, all / out);
        for (int64_t i = 0; i < all; i++) w[i] = codes[i];
        for (int64_t o = 0; o < out; o++) k->int8_scale[o] *= k->node->int8.scale;
    }
    free(codes);
    return codes && k->int8_scale ? DF_OK : df_err_set(err, DF_ENOMEM, "%lld weights", (long long)all);
}

static df_code keep_products(df_kernel *k, const float *from, df_shape s, df_err *err) {
    size_t bytes = (size_t)df_shape_elements(s) * sizeof(float);
    float *w = malloc(bytes);
    df_code rc = w ? DF_OK : df_err_set(err, DF_ENOMEM, "%zu bytes of weights", bytes);
    if (w) memcpy(w, from, bytes);
    if (!rc && df_node_is_int8(k->node)) rc = to_codes(k, w, s, err);
    if (!rc) pack_outputs_last(k->weight[0], w, s);
    free(w);
    return rc;
}

static df_code keep_weight(df_kernel *k, int i, const float *from, df_err *err) {
    df_shape s = k->g->weights[k->node->weight[i]].shape;
    size_t bytes = (size_t)df_shape_elements(s) * sizeof(float);
    k->weight[i] = malloc(bytes);
    if (!k->weight[i]) return df_err_set(err, DF_ENOMEM, "%zu bytes of weights", bytes);
    df_op op = k->node->op;
    bool packed = i == 0 && (op == DF_OP_CONV2D || op == DF_OP_UPSAMPLE_CONV2D || op == DF_OP_LINEAR);
    if (packed) return keep_products(k, from, s, err);
    memcpy(k->weight[i], from, bytes);
    return DF_OK;
}

/* Weights stay in f32, also where the arithmetic is f64 or they hold codes. */
static size_t node_weight_bytes(void *ctx, const df_graph *g, const df_node *node) {
    (void)ctx;
    return (size_t)df_node_parameters(g, node) * sizeof(float);
}

static void node_close(df_kernel **kernel) {
    if (!kernel || !*kernel) return;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free((*kernel)->weight[i]);
    free((*kernel)->int8_scale);
    free(*kernel);
    *kernel = NULL;
}

static df_code node_open(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                         const float *const *weights, df_err *err) {
    const context *c = ctx;
    df_ref_fn run = c->dtype == DF_F64 ? ops[node->op].f64 : ops[node->op].f32;
    if (!run) return df_err_set(err, DF_EUNSUPPORTED, "the reference backend has no %s", df_op_name(node->op));
    df_kernel *k = calloc(1, sizeof *k);
    if (!k) return df_err_set(err, DF_ENOMEM, "%zu bytes", sizeof *k);
    *k = (df_kernel) { .g = g,
                       .node = node,
                       .run = run,
                       .threads = c->threads,
                       .to_int8 = c->dtype == DF_F64 ? df_ref_to_int8_f64 : df_ref_to_int8_f32,
                       .unit = df_dtype_bytes(c->dtype) };
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) {
        df_code rc = weights[i] ? keep_weight(k, i, weights[i], err) : DF_OK;
        if (!rc) continue;
        node_close(&k);
        return rc;
    }
    *out = k;
    return DF_OK;
}

size_t df_ref_scratch_doubles(const df_graph *g, const df_node *node) {
    if (node->op != DF_OP_ATTENTION) return 0;
    df_shape k = df_graph_shape(g, node->in[1]), v = df_graph_shape(g, node->in[2]);
    return (size_t)(k.dim[0] + v.dim[1] / node->attr.attention.heads);
}

static int64_t input_elements(const df_kernel *k, int64_t n_rows) {
    return n_rows * df_shape_elements(df_graph_shape(k->g, k->node->in[0]));
}

static df_code node_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (n_rows < 1 || n_rows > DF_MAX_ROWS)
        return df_err_set(err, DF_EINVAL, "%lld rows, must be 1 to %lld", (long long)n_rows, (long long)DF_MAX_ROWS);
    size_t bytes = df_ref_scratch_doubles(k->g, k->node) * sizeof(double);
    if (!df_size_mul(scratch_bytes, bytes, (size_t)k->threads))
        return df_err_set(err, DF_ELIMIT, "scratch of %d threads", k->threads);
    if (df_node_is_int8(k->node)) *scratch_bytes = (size_t)input_elements(k, n_rows) * k->unit;
    return DF_OK;
}

static df_code node_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    df_ref_call call = { .g = k->g,
                         .node = k->node,
                         .weight = k->weight[0],
                         .bias = k->weight[1],
                         .int8_scale = k->int8_scale,
                         .n_rows = n_rows,
                         .in = in,
                         .add_channel = add_channel,
                         .residual = residual,
                         .out = out,
                         .scratch = scratch,
                         .threads = k->threads,
                         .err = err };
    const void *codes[DF_NODE_MAX_IN] = { scratch };
    if (df_node_is_int8(k->node)) {
        k->to_int8(scratch, in[0], input_elements(k, n_rows), k->node->int8);
        call.in = codes;
    }
    return k->run(&call);
}

const df_backend df_backend_reference = {
    .name = "reference",
    .open = reference_open,
    .close = reference_close,
    .node_open = node_open,
    .node_close = node_close,
    .node_weight_bytes = node_weight_bytes,
    .node_prepare = node_prepare,
    .node_run = node_run,
};

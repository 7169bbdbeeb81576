#include "engine/backend/reference/reference.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

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
    c->threads = cfg->threads > 0 ? cfg->threads : omp_get_num_procs();
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

static df_code keep_weight(df_kernel *k, int i, const float *from, df_err *err) {
    df_shape s = k->g->weights[k->node->weight[i]].shape;
    size_t bytes = (size_t)df_shape_elements(s) * sizeof(float);
    k->weight[i] = malloc(bytes);
    if (!k->weight[i]) return df_err_set(err, DF_ENOMEM, "%zu bytes of weights", bytes);
    df_op op = k->node->op;
    if (i == 0 && (op == DF_OP_CONV2D || op == DF_OP_UPSAMPLE_CONV2D || op == DF_OP_LINEAR))
        pack_outputs_last(k->weight[i], from, s);
    else
        memcpy(k->weight[i], from, bytes);
    return DF_OK;
}

static void node_close(df_kernel **kernel) {
    if (!kernel || !*kernel) return;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free((*kernel)->weight[i]);
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
    *k = (df_kernel) { .g = g, .node = node, .run = run, .threads = c->threads };
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

static df_code node_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (n_rows < 1 || n_rows > DF_MAX_ROWS)
        return df_err_set(err, DF_EINVAL, "%lld rows, must be 1 to %lld", (long long)n_rows, (long long)DF_MAX_ROWS);
    size_t bytes = df_ref_scratch_doubles(k->g, k->node) * sizeof(double);
    if (!df_size_mul(scratch_bytes, bytes, (size_t)k->threads))
        return df_err_set(err, DF_ELIMIT, "scratch of %d threads", k->threads);
    return DF_OK;
}

static df_code node_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    df_ref_call call = { .g = k->g,
                         .node = k->node,
                         .weight = k->weight[0],
                         .bias = k->weight[1],
                         .n_rows = n_rows,
                         .in = in,
                         .add_channel = add_channel,
                         .residual = residual,
                         .out = out,
                         .scratch = scratch,
                         .threads = k->threads,
                         .err = err };
    return k->run(&call);
}

const df_backend df_backend_reference = {
    .name = "reference",
    .open = reference_open,
    .close = reference_close,
    .node_open = node_open,
    .node_close = node_close,
    .node_prepare = node_prepare,
    .node_run = node_run,
};

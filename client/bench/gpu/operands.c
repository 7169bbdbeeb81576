#include "client/bench/gpu/operands.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "engine/exec/stage_fill.h"

enum { ALIGN = 64, MOST_VALUES = DF_NODE_MAX_READS + 1 };

struct df_operands {
    const df_backend *backend;
    void *ctx;
    const df_graph *g;
    int64_t rows;
    df_kernel *kernel;
    void *value[MOST_VALUES]; /* [g->n_values] */
    void *scratch;
};

static df_code take(void **out, size_t bytes, df_err *err) {
    size_t rounded;
    *out = NULL;
    if (!df_size_align(&rounded, bytes ? bytes : 1, ALIGN) || !(*out = aligned_alloc(ALIGN, rounded)))
        return df_err_set(err, DF_ENOMEM, "%zu bytes of operands", bytes);
    return DF_OK;
}

/* Results are written over: what lies there is of no interest, but that it is numbers. */
static df_code make_values(df_operands *x, df_dtype dtype, df_err *err) {
    df_code rc = DF_OK;
    for (df_value_id v = 0; v < x->g->n_values && !rc; v++) {
        const df_value *is = &x->g->values[v];
        df_dtype type = df_value_held_as(is, dtype);
        size_t n = (size_t)(x->rows * df_shape_elements(is->shape));
        rc = take(&x->value[v], n * df_dtype_bytes(type), err);
        if (!rc) df_stage_fill_value(x->value[v], n, is->dtype, type);
    }
    return rc;
}

static df_code open_kernel(df_operands *x, df_err *err) {
    const df_node *n = &x->g->nodes[0];
    const float *weights[DF_NODE_MAX_WEIGHTS] = { NULL };
    size_t scratch_bytes = 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT) weights[i] = x->g->weights[n->weight[i]].values;
    df_code rc = x->backend->node_open(x->ctx, &x->kernel, x->g, n, weights, err);
    if (!rc) rc = x->backend->node_prepare(x->kernel, x->rows, &scratch_bytes, err);
    return rc ? rc : take(&x->scratch, scratch_bytes, err);
}

df_code df_operands_open(df_operands **out, const df_backend *backend, void *ctx, const df_graph *g, int64_t rows,
                         df_dtype dtype, df_err *err) {
    if (g->n_nodes != 1 || g->n_values > MOST_VALUES)
        return df_err_set(err, DF_EINVAL, "%d nodes, %d values: not one node", g->n_nodes, g->n_values);
    df_operands *x = calloc(1, sizeof *x);
    if (!x) return df_err_set(err, DF_ENOMEM, "operands");
    *x = (df_operands) { .backend = backend, .ctx = ctx, .g = g, .rows = rows };
    df_code rc = make_values(x, dtype, err);
    if (!rc) rc = open_kernel(x, err);
    if (rc)
        df_operands_close(&x);
    else
        *out = x;
    return rc;
}

void df_operands_close(df_operands **operands) {
    df_operands *x = *operands;
    if (!x) return;
    if (x->kernel) x->backend->node_close(&x->kernel);
    for (int v = 0; v < MOST_VALUES; v++) free(x->value[v]);
    free(x->scratch);
    free(x);
    *operands = NULL;
}

static void *of(const df_operands *x, df_value_id v) {
    return v == DF_NO_VALUE ? NULL : x->value[v];
}

df_code df_operands_run(df_operands *x, int n, double *seconds, df_err *err) {
    const df_node *node = &x->g->nodes[0];
    const void *in[DF_NODE_MAX_IN] = { NULL };
    df_code rc = DF_OK;
    for (int i = 0; i < node->n_in; i++) in[i] = of(x, node->in[i]);
    int64_t start = df_clock_ns();
    for (int i = 0; i < n && !rc; i++)
        rc = x->backend->node_run(x->kernel, x->rows, in, of(x, node->fused_add_channel), of(x, node->residual),
                                  of(x, node->out), x->scratch, err);
    *seconds = (double)(df_clock_ns() - start) * 1e-9;
    return rc;
}

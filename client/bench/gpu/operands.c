#include "client/bench/gpu/operands.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "engine/backend/space.h"
#include "engine/exec/stage_fill.h"

enum { ALIGN = 64, MOST_VALUES = DF_NODE_MAX_READS + 1 };

struct df_operands {
    const df_backend *backend;
    const df_space *space; /* NULL: operands lie in the host's memory */
    void *ctx;
    const df_graph *g;
    int64_t rows;
    df_kernel *kernel;
    void *value[MOST_VALUES]; /* [g->n_values] */
    void *scratch;
    df_recording *recording; /* of a run; NULL: it is run plainly */
};

static df_code take_host(void **out, size_t bytes, df_err *err) {
    size_t rounded;
    *out = NULL;
    if (!df_size_align(&rounded, bytes ? bytes : 1, ALIGN) || !(*out = aligned_alloc(ALIGN, rounded)))
        return df_err_set(err, DF_ENOMEM, "%zu bytes of operands", bytes);
    return DF_OK;
}

static df_code take(const df_operands *x, void **out, size_t bytes, df_err *err) {
    *out = NULL;
    return x->space ? x->space->alloc(x->ctx, out, bytes ? bytes : 1, err) : take_host(out, bytes, err);
}

static void give_back(const df_operands *x, void *p) {
    if (x->space)
        x->space->free(x->ctx, p);
    else
        free(p);
}

/* By way of memory that uploads want. */
static df_code upload(const df_operands *x, void *to, size_t n, df_dtype of, df_dtype type, df_err *err) {
    const df_space *space = x->space;
    size_t bytes = n * df_dtype_bytes(type);
    void *host = NULL;
    df_code rc = space->host_alloc(x->ctx, &host, bytes ? bytes : 1, err);
    if (rc) return rc;
    df_stage_fill_value(host, n, of, type);
    rc = space->upload(x->ctx, to, host, bytes, err);
    if (!rc) rc = space->wait(x->ctx, err);
    space->host_free(x->ctx, host);
    return rc;
}

/* Results are written over: what lies there is of no interest, but that it is numbers. */
static df_code make_values(df_operands *x, df_dtype dtype, df_err *err) {
    df_code rc = DF_OK;
    for (df_value_id v = 0; v < x->g->n_values && !rc; v++) {
        const df_value *is = &x->g->values[v];
        df_dtype type = df_value_held_as(is, dtype);
        size_t n = (size_t)(x->rows * df_shape_elements(is->shape));
        rc = take(x, &x->value[v], n * df_dtype_bytes(type), err);
        if (!rc && x->space)
            rc = upload(x, x->value[v], n, is->dtype, type, err);
        else if (!rc)
            df_stage_fill_value(x->value[v], n, is->dtype, type);
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
    return rc ? rc : take(x, &x->scratch, scratch_bytes, err);
}

static void *of(const df_operands *x, df_value_id v) {
    return v == DF_NO_VALUE ? NULL : x->value[v];
}

static df_code run_node(df_operands *x, df_err *err) {
    const df_node *n = &x->g->nodes[0];
    const void *in[DF_NODE_MAX_IN] = { NULL };
    for (int i = 0; i < n->n_in; i++) in[i] = of(x, n->in[i]);
    return x->backend->node_run(x->kernel, x->rows, in, of(x, n->fused_add_channel), of(x, n->residual), of(x, n->out),
                                x->scratch, err);
}

static df_code wait(const df_operands *x, df_err *err) {
    return x->space ? x->space->wait(x->ctx, err) : DF_OK;
}

/* A stage replays what it has recorded, so that starting kernels one by one does not count; an operation that cannot be
 * recorded is started. */
static df_code record(df_operands *x, df_err *err) {
    df_code rc = run_node(x, err); /* once plainly: whatever is made at a first run is made */
    if (!rc) rc = wait(x, err);
    if (rc || !x->space || x->space->record_begin(x->ctx, NULL)) return rc;
    rc = run_node(x, err);
    if (x->space->record_end(x->ctx, &x->recording, NULL)) x->recording = NULL;
    return rc;
}

df_code df_operands_open(df_operands **out, const df_backend *backend, void *ctx, const df_graph *g, int64_t rows,
                         df_dtype dtype, df_err *err) {
    if (g->n_nodes != 1 || g->n_values > MOST_VALUES)
        return df_err_set(err, DF_EINVAL, "%d nodes, %d values: not one node", g->n_nodes, g->n_values);
    df_operands *x = calloc(1, sizeof *x);
    if (!x) return df_err_set(err, DF_ENOMEM, "operands");
    *x = (df_operands) { .backend = backend, .space = backend->space, .ctx = ctx, .g = g, .rows = rows };
    df_code rc = make_values(x, dtype, err);
    if (!rc) rc = open_kernel(x, err);
    if (!rc) rc = record(x, err);
    if (rc)
        df_operands_close(&x);
    else
        *out = x;
    return rc;
}

void df_operands_close(df_operands **operands) {
    df_operands *x = *operands;
    if (!x) return;
    if (x->recording) x->space->recording_close(x->ctx, &x->recording);
    if (x->kernel) x->backend->node_close(&x->kernel);
    for (int v = 0; v < MOST_VALUES; v++) give_back(x, x->value[v]);
    give_back(x, x->scratch);
    free(x);
    *operands = NULL;
}

df_code df_operands_run(df_operands *x, int n, double *seconds, df_err *err) {
    df_code rc = DF_OK;
    int64_t start = df_clock_ns();
    for (int i = 0; i < n && !rc; i++)
        rc = x->recording ? x->space->replay(x->ctx, x->recording, err) : run_node(x, err);
    if (!rc) rc = wait(x, err);
    *seconds = (double)(df_clock_ns() - start) * 1e-9;
    return rc;
}

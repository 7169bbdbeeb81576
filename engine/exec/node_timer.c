#include "engine/exec/node_timer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/exec/stage.h"
#include "engine/exec/stage_fill.h"
#include "engine/graph/sample.h"

#define GROUP_BYTES (256 << 20)
#define LONG_NS 300000000 /* turns of a group: no more than two beyond this */

enum { MIN_TURNS = 2, MAX_TURNS = 5 };

/* Some of the nodes, on a stage of their own. */
typedef struct group {
    df_graph *graph;
    df_cut *cut;
    df_stage *stage;
    int64_t *ns; /* [n_nodes] of a turn */
} group;

static void close_group(group *s) {
    df_stage_close(&s->stage);
    df_cut_free(&s->cut);
    df_graph_free(&s->graph);
    free(s->ns);
}

static df_code open_group(group *s, const df_graph *g, const int *nodes, int n, const df_node_timer_cfg *cfg,
                          df_err *err) {
    df_code rc = df_graph_sample(&s->graph, g, nodes, n, err);
    if (!rc) rc = df_cut_whole(&s->cut, s->graph, err);
    if (rc) return rc;
    df_stage_cfg stage = { .graph = s->graph, .cut = s->cut, .backend = cfg->backend, .backend_cfg = cfg->backend_cfg };
    stage.backend_cfg.packed = NULL;
    s->ns = calloc((size_t)n, sizeof *s->ns);
    if (!s->ns) return df_err_set(err, DF_ENOMEM, "%s: times of %d nodes", g->name, n);
    rc = df_stage_open(&s->stage, &stage, err);
    if (!rc) rc = df_stage_reserve(s->stage, cfg->n_rows, 1, err);
    if (!rc) df_stage_fill_inputs(s->stage, s->graph, cfg->backend_cfg.dtype, cfg->n_rows);
    return rc;
}

/* seconds[k]: the least of all turns. */
static df_code run_turns(group *s, double *seconds, int n, int64_t n_rows, df_err *err) {
    int64_t start = df_clock_ns();
    for (int turn = 0; turn < MAX_TURNS; turn++) {
        if (turn >= MIN_TURNS && df_clock_ns() - start > LONG_NS) break;
        memset(s->ns, 0, (size_t)n * sizeof *s->ns);
        df_code rc = df_stage_run_timed(s->stage, 0, 0, n_rows, s->ns, err);
        if (rc) return rc;
        for (int k = 0; k < n; k++) {
            double took = (double)s->ns[k] * 1e-9;
            if (!turn || took < seconds[k]) seconds[k] = took;
        }
    }
    return DF_OK;
}

/* With what it reads and makes; the first read of a shape may stand for those of its neighbours, so this is the most.
 */
static size_t bytes_of(const df_graph *g, int node, const size_t *weight_bytes, const df_node_timer_cfg *cfg) {
    const df_node *n = &g->nodes[node];
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    int64_t elements = df_shape_elements(df_graph_shape(g, n->out));
    for (int i = 0; i < n_reads; i++) elements += df_shape_elements(df_graph_shape(g, reads[i]));
    return weight_bytes[node] + (size_t)(elements * cfg->n_rows) * df_dtype_bytes(cfg->backend_cfg.dtype);
}

/* How many of the nodes make the next group: at least one. */
static int group_size(const df_graph *g, const int *nodes, int n, const size_t *weight_bytes,
                      const df_node_timer_cfg *cfg) {
    size_t bytes = bytes_of(g, nodes[0], weight_bytes, cfg);
    int count = 1;
    for (; count < n; count++) {
        bytes += bytes_of(g, nodes[count], weight_bytes, cfg);
        if (bytes > GROUP_BYTES) break;
    }
    return count;
}

df_code df_nodes_time(double *seconds, const df_graph *g, const int *nodes, int n, const df_node_timer_cfg *cfg,
                      df_err *err) {
    size_t *weight_bytes = calloc((size_t)g->n_nodes + 1, sizeof *weight_bytes);
    df_code rc = weight_bytes ? DF_OK : df_err_set(err, DF_ENOMEM, "%s: times of %d nodes", g->name, n);
    if (!rc) df_backend_weight_bytes(cfg->backend, &cfg->backend_cfg, g, weight_bytes);
    for (int from = 0, count; from < n && !rc; from += count) {
        group s = { 0 };
        count = group_size(g, nodes + from, n - from, weight_bytes, cfg);
        rc = open_group(&s, g, nodes + from, count, cfg, err);
        if (!rc) rc = run_turns(&s, seconds + from, count, cfg->n_rows, err);
        close_group(&s);
    }
    free(weight_bytes);
    return rc;
}

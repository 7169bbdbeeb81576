#include "engine/graph/cut.h"

#include <stdlib.h>
#include <string.h>

/* What is known while edges are gathered. */
typedef struct routes {
    const df_graph *g;
    df_cut *cut;
    int *segment_of; /* [n_nodes] */
    bool *there; /* [n_values][n_stages]: the value is, or will be, on the stage */
    int cap_edges;
} routes;

static int stage_of_value(const df_cut *cut, const df_graph *g, df_value_id v) {
    int producer = g->values[v].producer;
    return producer < 0 ? 0 : cut->stage_of[producer];
}

static bool add_edge(routes *r, df_edge e) {
    df_cut *cut = r->cut;
    if (cut->n_edges == r->cap_edges) {
        int cap = r->cap_edges ? 2 * r->cap_edges : 16;
        df_edge *edges = reallocarray(cut->edges, (size_t)cap, sizeof *edges);
        if (!edges) return false;
        cut->edges = edges;
        r->cap_edges = cap;
    }
    cut->edges[cut->n_edges++] = e;
    return true;
}

/* The value is wanted on the stage by the given segment: an edge, unless it is there already. Segments ask in run
 * order, so the first one gets the edge. */
static bool want(routes *r, df_value_id v, int stage, int segment) {
    bool *there = &r->there[(size_t)v * (size_t)r->cut->n_stages + (size_t)stage];
    int from = stage_of_value(r->cut, r->g, v), producer = r->g->values[v].producer;
    if (*there || from == stage) return true;
    *there = true;
    return add_edge(r, (df_edge) { .value = v,
                                   .from_stage = from,
                                   .to_stage = stage,
                                   .from_segment = producer < 0 ? -1 : r->segment_of[producer],
                                   .to_segment = segment });
}

static bool want_all(routes *r) {
    const df_graph *g = r->g;
    for (int i = 0; i < g->n_nodes; i++) {
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = df_node_reads(&g->nodes[i], reads);
        for (int k = 0; k < n_reads; k++)
            if (!want(r, reads[k], r->cut->stage_of[i], r->segment_of[i])) return false;
    }
    for (int i = 0; i < g->n_outputs; i++)
        if (!want(r, g->outputs[i].value, 0, r->cut->n_segments)) return false;
    return true;
}

static int by_arrival(const void *pa, const void *pb) {
    const df_edge *a = pa, *b = pb;
    if (a->to_segment != b->to_segment) return a->to_segment < b->to_segment ? -1 : 1;
    if (a->from_stage != b->from_stage) return a->from_stage < b->from_stage ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static bool find_edges(df_cut *cut, const df_graph *g, int *segment_of) {
    routes r = { .g = g, .cut = cut, .segment_of = segment_of };
    r.there = calloc((size_t)g->n_values + 1, (size_t)cut->n_stages * sizeof *r.there);
    bool ok = r.there && want_all(&r);
    free(r.there);
    if (ok && cut->n_edges) qsort(cut->edges, (size_t)cut->n_edges, sizeof *cut->edges, by_arrival);
    return ok;
}

/* Segments, and for each node the one it is in. */
static void find_segments(df_cut *cut, const df_graph *g, int *segment_of) {
    for (int i = 0; i < g->n_nodes; i++) {
        if (i == 0 || cut->stage_of[i] != cut->stage_of[i - 1])
            cut->segments[cut->n_segments++] = (df_segment) { cut->stage_of[i], i, i };
        cut->segments[cut->n_segments - 1].end_node = i + 1;
        segment_of[i] = cut->n_segments - 1;
    }
}

static bool fill(df_cut *cut, const df_graph *g, const int *stage_of) {
    size_t n = (size_t)g->n_nodes + 1; /* + 1: a graph may have no node, but calloc(0) may give NULL */
    int *segment_of = calloc(n, sizeof *segment_of);
    cut->stage_of = calloc(n, sizeof *cut->stage_of);
    cut->segments = calloc(n, sizeof *cut->segments);
    bool ok = segment_of && cut->stage_of && cut->segments;
    if (ok) {
        if (stage_of) memcpy(cut->stage_of, stage_of, (size_t)g->n_nodes * sizeof *stage_of);
        find_segments(cut, g, segment_of);
        ok = find_edges(cut, g, segment_of);
    }
    free(segment_of);
    return ok;
}

/* stage_of NULL: all on stage 0 */
static df_code make(df_cut **out, const df_graph *g, const int *stage_of, int n_stages, df_err *err) {
    df_cut *cut = calloc(1, sizeof *cut);
    if (cut) cut->n_stages = n_stages;
    if (!cut || !fill(cut, g, stage_of)) {
        df_cut_free(&cut);
        return df_err_set(err, DF_ENOMEM, "graph '%s': cut into %d stages", g->name, n_stages);
    }
    *out = cut;
    return DF_OK;
}

df_code df_cut_new(df_cut **out, const df_graph *g, const int *stage_of, int n_stages, df_err *err) {
    if (n_stages < 1) return df_err_set(err, DF_EINVAL, "graph '%s': cut into %d stages", g->name, n_stages);
    for (int i = 0; i < g->n_nodes; i++)
        if (stage_of[i] < 0 || stage_of[i] >= n_stages)
            return df_err_set(err, DF_EINVAL, "graph '%s': node '%s' is put on stage %d of %d", g->name,
                              g->nodes[i].name, stage_of[i], n_stages);
    return make(out, g, stage_of, n_stages, err);
}

df_code df_cut_whole(df_cut **out, const df_graph *g, df_err *err) {
    return make(out, g, NULL, 1, err);
}

void df_cut_free(df_cut **cut) {
    if (!cut || !*cut) return;
    free((*cut)->stage_of);
    free((*cut)->segments);
    free((*cut)->edges);
    free(*cut);
    *cut = NULL;
}

bool df_cut_has_weight(const df_cut *cut, const df_graph *g, int stage, df_weight_id w) {
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < DF_NODE_MAX_WEIGHTS; k++)
            if (cut->stage_of[i] == stage && g->nodes[i].weight[k] == w) return true;
    return false;
}

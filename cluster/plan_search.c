#include "cluster/plan_search.h"

#include <stdlib.h>
#include <string.h>

/* A skip is what a concatenation takes from further back than its other operand. */
static bool is_skip_use(const df_graph *g, const df_node *n, df_value_id v) {
    if (n->op != DF_OP_CONCAT || g->values[v].producer < 0) return false;
    for (int i = 0; i < n->n_in; i++)
        if (g->values[n->in[i]].producer > g->values[v].producer) return true;
    return false;
}

static void find_skips(df_search *s) {
    const df_graph *g = s->graph;
    for (int v = 0; v < g->n_values; v++) s->near_until[v] = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        df_value_id uses[DF_NODE_MAX_READS];
        int n = df_node_reads(&g->nodes[i], uses);
        for (int k = 0; k < n; k++) {
            if (is_skip_use(g, &g->nodes[i], uses[k]))
                s->has_skips = true;
            else
                s->near_until[uses[k]] = i;
        }
    }
}

df_code df_search_open(df_search *s, const df_graph *g, const df_cost *cost, df_err *err) {
    size_t n_values = g->n_values ? (size_t)g->n_values : 1;
    *s = (df_search) { .graph = g };
    if (cost->n_nodes != g->n_nodes)
        return df_err_set(err, DF_EINVAL, "%s: %d nodes, costs of %d", g->name, g->n_nodes, cost->n_nodes);
    s->prefix = calloc((size_t)g->n_nodes + 1, sizeof *s->prefix);
    s->value_bytes = calloc(n_values, sizeof *s->value_bytes);
    s->near_until = calloc(n_values, sizeof *s->near_until);
    if (!s->prefix || !s->value_bytes || !s->near_until) {
        df_search_close(s);
        return df_err_set(err, DF_ENOMEM, "%s: plan of %d nodes", g->name, g->n_nodes);
    }
    for (int i = 0; i < g->n_nodes; i++) s->prefix[i + 1] = s->prefix[i] + cost->node_seconds[i];
    for (int v = 0; v < g->n_values; v++)
        s->value_bytes[v] = df_shape_elements(g->values[v].shape) * (int64_t)df_dtype_bytes(g->values[v].dtype);
    find_skips(s);
    return DF_OK;
}

void df_search_close(df_search *s) {
    free(s->prefix);
    free(s->value_bytes);
    free(s->near_until);
    *s = (df_search) { 0 };
}

double df_search_seconds(const df_search *s, int a, int b) {
    return s->prefix[b] - s->prefix[a];
}

bool df_search_fits(double seconds, double limit) {
    return seconds <= limit * (1 + 1e-9);
}

df_code df_window_open(df_window *w, const df_search *s, df_err *err) {
    size_t n = s->graph->n_values ? (size_t)s->graph->n_values : 1;
    *w = (df_window) { .search = s, .n_uses = calloc(n, sizeof *w->n_uses), .home = calloc(n, sizeof *w->home) };
    if (w->n_uses && w->home) return DF_OK;
    df_window_close(w);
    return df_err_set(err, DF_ENOMEM, "%s: plan of %d values", s->graph->name, s->graph->n_values);
}

void df_window_close(df_window *w) {
    free(w->n_uses);
    free(w->home);
    *w = (df_window) { 0 };
}

static void use(df_window *w, df_value_id v) {
    if (w->n_uses[v]++ == 0 && !w->home[v]) w->bytes += w->search->value_bytes[v];
}

static void unuse(df_window *w, df_value_id v) {
    if (--w->n_uses[v] == 0 && !w->home[v]) w->bytes -= w->search->value_bytes[v];
}

void df_window_reset(df_window *w, int stage) {
    const df_graph *g = w->search->graph;
    memset(w->n_uses, 0, (size_t)g->n_values * sizeof *w->n_uses);
    memset(w->home, 0, (size_t)g->n_values * sizeof *w->home);
    w->bytes = 0;
    if (stage != 0) return;
    for (int v = 0; v < g->n_values; v++) w->home[v] = g->values[v].producer < 0;
    for (int i = 0; i < g->n_outputs; i++) use(w, g->outputs[i].value);
}

void df_window_add(df_window *w, int first, int end) {
    for (int i = first; i < end; i++) {
        const df_node *n = &w->search->graph->nodes[i];
        df_value_id uses[DF_NODE_MAX_READS];
        int count = df_node_reads(n, uses);
        for (int k = 0; k < count; k++) use(w, uses[k]);
        if (w->n_uses[n->out] > 0) w->bytes -= w->search->value_bytes[n->out];
        w->home[n->out] = true;
    }
}

void df_window_remove(df_window *w, int first, int end) {
    for (int i = first; i < end; i++) {
        const df_node *n = &w->search->graph->nodes[i];
        df_value_id uses[DF_NODE_MAX_READS];
        int count = df_node_reads(n, uses);
        w->home[n->out] = false;
        if (w->n_uses[n->out] > 0) w->bytes += w->search->value_bytes[n->out];
        for (int k = 0; k < count; k++) unuse(w, uses[k]);
    }
}

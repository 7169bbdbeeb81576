#include "cluster/plan_search.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDING 1e-9 /* what sums of the same nodes may differ by */
#define GIB (1024.0 * 1024.0 * 1024.0)

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

static df_code alloc_search(df_search *s, df_err *err) {
    size_t n_nodes = (size_t)s->graph->n_nodes, n_values = s->graph->n_values ? (size_t)s->graph->n_values : 1;
    s->prefix = calloc(n_nodes + 1, sizeof *s->prefix);
    s->weight_prefix = calloc(n_nodes + 1, sizeof *s->weight_prefix);
    s->value_bytes = calloc(n_values, sizeof *s->value_bytes);
    s->near_until = calloc(n_values, sizeof *s->near_until);
    if (s->prefix && s->weight_prefix && s->value_bytes && s->near_until) return DF_OK;
    df_search_close(s);
    return df_err_set(err, DF_ENOMEM, "%s: plan of %zu nodes", s->graph->name, n_nodes);
}

static int64_t node_weight_bytes(const df_search *s, int node) {
    if (s->ranks.weight_bytes) return (int64_t)s->ranks.weight_bytes[node];
    return df_node_parameters(s->graph, &s->graph->nodes[node]) * (int64_t)df_dtype_bytes(s->ranks.dtype);
}

df_code df_search_open(df_search *s, const df_graph *g, const df_cost *cost, int n_stages, const df_plan_ranks *ranks,
                       df_err *err) {
    static const df_plan_ranks equal = { .dtype = DF_F32 };
    if (!ranks) ranks = &equal;
    *s = (df_search) { .graph = g, .n_stages = n_stages, .ranks = *ranks, .has_links = ranks->bytes_per_second };
    if (cost->n_nodes != g->n_nodes)
        return df_err_set(err, DF_EINVAL, "%s: %d nodes, costs of %d", g->name, g->n_nodes, cost->n_nodes);
    df_code rc = alloc_search(s, err);
    if (rc) return rc;
    for (int i = 0; i < g->n_nodes; i++) {
        s->prefix[i + 1] = s->prefix[i] + cost->node_seconds[i];
        s->weight_prefix[i + 1] = s->weight_prefix[i] + node_weight_bytes(s, i);
    }
    for (int v = 0; v < g->n_values; v++)
        s->value_bytes[v] = df_shape_elements(g->values[v].shape) *
                            (int64_t)df_dtype_bytes(df_value_held_as(&g->values[v], ranks->dtype));
    find_skips(s);
    return DF_OK;
}

void df_search_close(df_search *s) {
    free(s->prefix);
    free(s->weight_prefix);
    free(s->value_bytes);
    free(s->near_until);
    s->prefix = NULL;
    s->weight_prefix = s->value_bytes = NULL;
    s->near_until = NULL;
}

double df_search_seconds(const df_search *s, int a, int b) {
    return s->prefix[b] - s->prefix[a];
}

bool df_search_fits(double seconds, double limit) {
    return seconds <= limit * (1 + ROUNDING);
}

int64_t df_search_weights(const df_search *s, int a, int b) {
    return s->weight_prefix[b] - s->weight_prefix[a];
}

double df_search_speed(const df_search *s, int stage) {
    return s->ranks.speed ? s->ranks.speed[stage] : 1;
}

double df_search_load(const df_search *s, int stage, double seconds) {
    return (s->ranks.busy_seconds ? s->ranks.busy_seconds[stage] : 0) + seconds / df_search_speed(s, stage);
}

double df_search_pace(const df_search *s, int stage, double seconds, int64_t bytes_in) {
    double load = df_search_load(s, stage, seconds);
    double receive = s->has_links ? (double)bytes_in / s->ranks.bytes_per_second[stage] : 0;
    return load > receive ? load : receive;
}

bool df_search_takes(const df_search *s, int stage, double seconds, int64_t weight_bytes, double limit) {
    return df_search_fits(df_search_load(s, stage, seconds), limit) &&
           (!s->ranks.room_bytes || weight_bytes == 0 || weight_bytes <= s->ranks.room_bytes[stage]);
}

double df_search_capacity(const df_search *s, int first, double limit) {
    double sum = 0;
    for (int stage = first; stage < s->n_stages; stage++) {
        double left = limit * (1 + ROUNDING) - df_search_load(s, stage, 0);
        if (left > 0) sum += left * df_search_speed(s, stage);
    }
    return sum;
}

void df_search_bounds(const df_search *s, double *low, double *high) {
    double total = s->prefix[s->graph->n_nodes], speeds = 0, done = 0;
    *low = *high = 0;
    for (int stage = 0; stage < s->n_stages; stage++) {
        double idle = df_search_load(s, stage, 0), all = df_search_load(s, stage, total);
        speeds += df_search_speed(s, stage);
        done += idle * df_search_speed(s, stage);
        if (idle > *low) *low = idle;
        if (all > *high) *high = all;
    }
    if ((total + done) / speeds > *low) *low = (total + done) / speeds;
}

df_code df_search_no_room(const df_search *s, df_err *err) {
    double needed = (double)s->weight_prefix[s->graph->n_nodes], room = 0;
    for (int stage = 0; stage < s->n_stages; stage++)
        if (s->ranks.room_bytes) room += s->ranks.room_bytes[stage] > 0 ? (double)s->ranks.room_bytes[stage] : 0;
    return df_err_set(err, DF_ELIMIT, "%s: weights of %.3g GiB have no room on %d ranks that have %.3g GiB for them",
                      s->graph->name, needed / GIB, s->n_stages, room / GIB);
}

bool df_score_is_better(df_score a, df_score b, df_search_order order) {
    if (a.bytes < 0 || b.bytes < 0) return a.bytes >= 0 && b.bytes < 0;
    if (order == DF_LARGEST_FIRST) return a.largest < b.largest || (a.largest == b.largest && a.bytes < b.bytes);
    return a.bytes < b.bytes || (a.bytes == b.bytes && a.largest < b.largest);
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

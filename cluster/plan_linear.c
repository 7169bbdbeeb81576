/* Consecutive slices: stage i has nodes [at[i], at[i+1]). */
#include <stdlib.h>

#include "cluster/plan_search.h"

typedef struct best {
    df_score score;
    int from; /* where the last slice begins */
} best;

typedef struct slicing {
    const df_search *s;
    df_window window;
    best *table; /* [n_stages + 1][n_nodes + 1]: nodes before b done by the first k stages */
} slicing;

static best *cell_at(const slicing *l, int stage, int b) {
    return &l->table[(size_t)stage * (size_t)(l->s->graph->n_nodes + 1) + (size_t)b];
}

static bool takes(const df_search *s, int stage, int a, int b, double limit) {
    return df_search_takes(s, stage, df_search_seconds(s, a, b), df_search_weights(s, a, b), limit);
}

/* Can all nodes be done under the limit, when each stage takes as many as it can? Then also the largest it met. */
static bool greedy(const df_search *s, double limit, double *largest) {
    int at = 0, n = s->graph->n_nodes;
    *largest = 0;
    for (int stage = 0; stage < s->n_stages; stage++) {
        int from = at;
        while (at < n && takes(s, stage, from, at + 1, limit)) at++;
        double load = df_search_load(s, stage, df_search_seconds(s, from, at));
        if (load > *largest) *largest = load;
    }
    return at == n;
}

/* Links apart: bisection over a greedy fill, then the sum that was met. False: the weights have no room. */
static bool smallest_largest(const df_search *s, double *found) {
    double low, high, largest;
    df_search_bounds(s, &low, &high);
    if (!greedy(s, high, found)) return false;
    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if (greedy(s, mid, &largest)) {
            high = mid;
            if (largest < *found) *found = largest;
        } else {
            low = mid;
        }
    }
    return true;
}

static void extend(slicing *l, int stage, double limit, df_search_order order) {
    const df_search *s = l->s;
    for (int a = 0; a <= s->graph->n_nodes; a++) {
        df_score before = cell_at(l, stage, a)->score;
        if (before.bytes < 0) continue;
        df_window_reset(&l->window, stage);
        for (int b = a; b <= s->graph->n_nodes && takes(s, stage, a, b, limit); b++) {
            if (b > a) df_window_add(&l->window, b - 1, b);
            double pace = df_search_pace(s, stage, df_search_seconds(s, a, b), l->window.bytes);
            if (!df_search_fits(pace, limit)) continue;
            df_score next = { before.bytes + l->window.bytes, pace > before.largest ? pace : before.largest };
            best *after = cell_at(l, stage + 1, b);
            if (df_score_is_better(next, after->score, order)) *after = (best) { next, a };
        }
    }
}

static df_score search(slicing *l, double limit, df_search_order order) {
    size_t n_cells = (size_t)(l->s->n_stages + 1) * (size_t)(l->s->graph->n_nodes + 1);
    for (size_t i = 0; i < n_cells; i++) l->table[i].score = (df_score) { .bytes = -1 };
    cell_at(l, 0, 0)->score = (df_score) { 0 };
    for (int stage = 0; stage < l->s->n_stages; stage++) extend(l, stage, limit, order);
    return cell_at(l, l->s->n_stages, l->s->graph->n_nodes)->score;
}

/* With links the limit is raised until there is a plan; the best of those below it is the best of all. */
static bool find_limit(slicing *l, double *limit) {
    if (!smallest_largest(l->s, limit)) return false;
    if (!l->s->has_links) return true;
    for (double raised = *limit; raised <= *limit * DF_LINKS_WORST; raised *= DF_LINKS_RAISE) {
        df_score found = search(l, raised, DF_LARGEST_FIRST);
        if (found.bytes < 0) continue;
        *limit = found.largest;
        return true;
    }
    return false;
}

static void assign(const slicing *l, int *stage_of) {
    for (int stage = l->s->n_stages, b = l->s->graph->n_nodes; stage > 0; stage--) {
        int a = cell_at(l, stage, b)->from;
        for (int i = a; i < b; i++) stage_of[i] = stage - 1;
        b = a;
    }
}

df_code df_search_linear(const df_search *s, double slack, int *stage_of, df_err *err) {
    slicing l = { .s = s };
    double limit;
    size_t n_cells = (size_t)(s->n_stages + 1) * (size_t)(s->graph->n_nodes + 1);
    df_code rc = df_window_open(&l.window, s, err);
    if (rc) return rc;
    if (!(l.table = malloc(n_cells * sizeof *l.table)))
        rc = df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", s->graph->name, s->n_stages);
    else if (find_limit(&l, &limit) && search(&l, limit * (1 + slack), DF_BYTES_FIRST).bytes >= 0)
        assign(&l, stage_of);
    else
        rc = df_search_no_room(s, err);
    free(l.table);
    df_window_close(&l.window);
    return rc;
}

/* Consecutive slices: stage i has nodes [at[i], at[i+1]). */
#include <stdlib.h>

#include "cluster/plan_search.h"

typedef struct best {
    int64_t bytes; /* -1: not reachable */
    double largest;
    int from; /* where the last slice begins */
} best;

/* The smallest limit under which n_stages slices suffice: bisection over a greedy fill, then the sum that was met. */
static bool greedy(const df_search *s, int n_stages, double limit, double *largest) {
    int at = 0, n = s->graph->n_nodes;
    *largest = 0;
    for (int stage = 0; stage < n_stages && at < n; stage++) {
        int from = at;
        while (at < n && df_search_fits(df_search_seconds(s, from, at + 1), limit)) at++;
        if (df_search_seconds(s, from, at) > *largest) *largest = df_search_seconds(s, from, at);
    }
    return at == n;
}

static double smallest_largest(const df_search *s, int n_stages) {
    double low = 0, high = s->prefix[s->graph->n_nodes], found = high, largest;
    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if (greedy(s, n_stages, mid, &largest)) {
            high = mid;
            if (largest < found) found = largest;
        } else {
            low = mid;
        }
    }
    return found;
}

static bool better(const best *a, const best *b) {
    return b->bytes < 0 || a->bytes < b->bytes || (a->bytes == b->bytes && a->largest < b->largest);
}

/* table [n_stages + 1][n + 1]: nodes before b done by the first k stages. */
static void extend(const df_search *s, df_window *w, best *table, int stage, double limit) {
    int n = s->graph->n_nodes;
    const best *before = table + (size_t)stage * (size_t)(n + 1);
    best *after = table + (size_t)(stage + 1) * (size_t)(n + 1);
    for (int a = 0; a <= n; a++) {
        if (before[a].bytes < 0) continue;
        df_window_reset(w, stage);
        for (int b = a; b <= n && df_search_fits(df_search_seconds(s, a, b), limit); b++) {
            if (b > a) df_window_add(w, b - 1, b);
            double seconds = df_search_seconds(s, a, b);
            best next = { before[a].bytes + w->bytes, seconds > before[a].largest ? seconds : before[a].largest, a };
            if (better(&next, &after[b])) after[b] = next;
        }
    }
}

df_code df_search_linear(const df_search *s, int n_stages, double slack, int *stage_of, df_err *err) {
    int n = s->graph->n_nodes;
    df_window w;
    df_code rc = df_window_open(&w, s, err);
    if (rc) return rc;
    size_t n_cells = (size_t)(n_stages + 1) * (size_t)(n + 1);
    best *table = malloc(n_cells * sizeof *table);
    if (!table) {
        df_window_close(&w);
        return df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", s->graph->name, n_stages);
    }
    for (size_t i = 0; i < n_cells; i++) table[i] = (best) { .bytes = -1 };
    table[0] = (best) { .bytes = 0 };
    double limit = smallest_largest(s, n_stages) * (1 + slack);
    for (int stage = 0; stage < n_stages; stage++) extend(s, &w, table, stage, limit);
    for (int stage = n_stages, b = n; stage > 0; stage--) {
        int a = table[(size_t)stage * (size_t)(n + 1) + (size_t)b].from;
        for (int i = a; i < b; i++) stage_of[i] = stage - 1;
        b = a;
    }
    free(table);
    df_window_close(&w);
    return DF_OK;
}

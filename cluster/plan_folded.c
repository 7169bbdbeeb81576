/* Folded slices: stage i has the nodes [x_i, x_i+1) on the way down and [y_i+1, y_i) on the way up; the last stage has
 * what is left in the middle. Stage by stage the open interval [x, y) shrinks from both ends, so a plan is a path over
 * states (x, y). Boundaries are taken from candidate positions: every position of a small graph; of a large one those
 * where the least crosses, one per equal share of the cost.
 *
 * First the smallest possible largest stage. Links apart, for a given x a smaller y is never worse (cutting a plan of
 * the larger interval gives one of the smaller), so one y per x is enough to tell whether a limit can be kept:
 * bisection. Then the fewest bytes under that limit, over all states that still can be finished; these form a thin band
 * around x for each y, because nearly equal stages leave little freedom. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/plan_search.h"

enum { CANDIDATES_MAX = 192, CANDIDATES_MIN = 24 };
#define STEPS_MAX 2e7 /* transitions looked at; above it the candidates are thinned further */

typedef struct cell {
    df_score score;
    int from_x, from_y;
} cell;

typedef struct folding {
    const df_search *s;
    df_search_order order;
    int *at; /* [m] candidate positions, ascending, 0 and n_nodes among them */
    int m;
    double limit;
    cell *cells; /* [n_stages][m][m]: before stage k, interval [at[x], at[y]) is open */
    df_window window;
} folding;

static double seconds(const folding *f, int x, int y) {
    return df_search_seconds(f->s, f->at[x], f->at[y]);
}

/* Two slices on one stage: [a, b) and [c, d). */
static bool takes(const folding *f, int stage, int a, int b, int c, int d, double limit) {
    int64_t weights = df_search_weights(f->s, f->at[a], f->at[b]) + df_search_weights(f->s, f->at[c], f->at[d]);
    return df_search_takes(f->s, stage, seconds(f, a, b) + seconds(f, c, d), weights, limit);
}

/* Bytes alive between node p-1 and node p, skips aside: what a cut there would send. */
static void crossing_bytes(const df_search *s, int64_t *crossing) {
    const df_graph *g = s->graph;
    memset(crossing, 0, ((size_t)g->n_nodes + 1) * sizeof *crossing);
    for (int v = 0; v < g->n_values; v++)
        for (int p = g->values[v].producer + 1; g->values[v].producer >= 0 && p <= s->near_until[v]; p++)
            crossing[p] += s->value_bytes[v];
}

/* In each of max-1 equal shares of the cost the position where the least crosses (the later one of equals: it ends a
 * run of nodes that cost nothing), and both ends. */
static int pick_candidates(const df_search *s, const int64_t *crossing, int max, int *at) {
    int n = s->graph->n_nodes, m = 0;
    at[m++] = 0;
    if (n < max) {
        for (int p = 1; p <= n; p++) at[m++] = p;
        return m;
    }
    double share = s->prefix[n] / (max - 1);
    for (int p = 1, last = -1; p < n; p++) {
        int bucket = (int)(s->prefix[p] / share);
        if (bucket != last) {
            at[m++] = p;
            last = bucket;
        } else if (crossing[p] <= crossing[at[m - 1]]) {
            at[m - 1] = p;
        }
    }
    at[m++] = n;
    return m;
}

/* Smallest y that stays open when the way up takes as much of [x, y) as fits beside the way down. */
static bool can_finish(const folding *f, double limit, int *open, int *next) {
    int m = f->m, last = f->s->n_stages - 1;
    for (int x = 0; x < m; x++) open[x] = x ? m : m - 1;
    for (int stage = 0; stage < last; stage++) {
        for (int x = 0; x < m; x++) next[x] = m;
        for (int x = 0; x < m; x++) {
            if (open[x] == m) continue;
            for (int to = x, y = x; to <= open[x] && takes(f, stage, x, to, x, x, limit); to++) {
                if (y < to) y = to;
                while (!takes(f, stage, x, to, y, open[x], limit)) y++;
                if (y < next[to]) next[to] = y;
            }
        }
        memcpy(open, next, (size_t)m * sizeof *open);
    }
    for (int x = 0; x < m; x++)
        if (open[x] != m && takes(f, last, x, open[x], x, x, limit)) return true;
    return false;
}

/* Links apart. Infinite: the weights have no room. */
static double smallest_largest(const folding *f, int *scratch) {
    double low, high;
    df_search_bounds(f->s, &low, &high);
    low *= 1 - 1e-9;
    high *= 1 + 1e-8;
    if (!can_finish(f, high, scratch, scratch + f->m)) return INFINITY;
    for (int i = 0; i < 40; i++) {
        double mid = (low + high) / 2;
        *(can_finish(f, mid, scratch, scratch + f->m) ? &high : &low) = mid;
    }
    return high;
}

/* Transitions the second search would look at, from the width of the band. */
static double steps(const folding *f) {
    int n_stages = f->s->n_stages;
    double total = f->s->prefix[f->s->graph->n_nodes], m = f->m;
    double band = total > 0 ? df_search_capacity(f->s, 0, f->limit) / total - 1 : 1;
    double states = m * (1 + (band < 1 ? band : 1) * m);
    return n_stages < 3 ? states : (n_stages - 2) * states * states / 4;
}

/* And the limit: the smallest without links, times `raise`. */
static df_code choose_candidates(folding *f, double raise, df_err *err) {
    int n = f->s->graph->n_nodes;
    int64_t *crossing = malloc(((size_t)n + 1) * sizeof *crossing);
    int *scratch = malloc(2 * CANDIDATES_MAX * sizeof *scratch);
    if (!f->at) f->at = malloc((CANDIDATES_MAX + 2) * sizeof *f->at);
    df_code rc = DF_OK;
    if (crossing && scratch && f->at) {
        crossing_bytes(f->s, crossing);
        for (int max = CANDIDATES_MAX - 1;; max = max * 3 / 4) {
            f->m = pick_candidates(f->s, crossing, max, f->at);
            f->limit = smallest_largest(f, scratch) * raise;
            if (steps(f) <= STEPS_MAX || max * 3 / 4 < CANDIDATES_MIN || !isfinite(f->limit)) break;
        }
        if (!isfinite(f->limit)) rc = df_search_no_room(f->s, err);
    } else {
        rc = df_err_set(err, DF_ENOMEM, "%s: plan of %d nodes", f->s->graph->name, n);
    }
    free(crossing);
    free(scratch);
    return rc;
}

static cell *cell_at(const folding *f, int stage, int x, int y) {
    return &f->cells[((size_t)stage * (size_t)f->m + (size_t)x) * (size_t)f->m + (size_t)y];
}

static void reach(folding *f, int stage, int x, int y, int to_x, int to_y) {
    df_score from = cell_at(f, stage, x, y)->score;
    double pace = df_search_pace(f->s, stage, seconds(f, x, to_x) + seconds(f, to_y, y), f->window.bytes);
    if (f->s->has_links && !df_search_fits(pace, f->limit)) return;
    cell *to = cell_at(f, stage + 1, to_x, to_y);
    df_score next = { from.bytes + f->window.bytes, pace > from.largest ? pace : from.largest };
    if (df_score_is_better(next, to->score, f->order)) *to = (cell) { next, x, y };
}

/* Moves the lower end of the window's upper slice. */
static void move_up_slice(folding *f, int *low, int to) {
    for (; *low < to; ++*low) df_window_remove(&f->window, f->at[*low], f->at[*low + 1]);
    for (; *low > to; --*low) df_window_add(&f->window, f->at[*low - 1], f->at[*low]);
}

/* All ways in which `stage` can take its two slices from the open interval (x, y). */
static void extend(folding *f, int stage, int x, int y) {
    int low = y;
    double rest = df_search_capacity(f->s, stage + 1, f->limit);
    df_window_reset(&f->window, stage);
    for (int to_x = x, first = x; to_x <= y && takes(f, stage, x, to_x, y, y, f->limit); to_x++) {
        if (low < to_x) move_up_slice(f, &low, to_x); /* the slices never overlap */
        if (to_x > x) df_window_add(&f->window, f->at[to_x - 1], f->at[to_x]);
        if (first < to_x) first = to_x;
        while (!takes(f, stage, x, to_x, first, y, f->limit)) first++;
        for (int to_y = first; to_y <= y && df_search_fits(seconds(f, to_x, to_y), rest); to_y++) {
            move_up_slice(f, &low, to_y);
            reach(f, stage, x, y, to_x, to_y);
        }
    }
}

/* The last stage takes what is open. */
static df_score finish(folding *f, int x, int y) {
    int last = f->s->n_stages - 1;
    df_score score = cell_at(f, last, x, y)->score;
    if (score.bytes < 0 || !takes(f, last, x, y, y, y, f->limit)) return (df_score) { .bytes = -1 };
    df_window_reset(&f->window, last);
    df_window_add(&f->window, f->at[x], f->at[y]);
    double pace = df_search_pace(f->s, last, seconds(f, x, y), f->window.bytes);
    if (f->s->has_links && !df_search_fits(pace, f->limit)) return (df_score) { .bytes = -1 };
    score.bytes += f->window.bytes;
    if (pace > score.largest) score.largest = pace;
    return score;
}

static df_score search(folding *f, df_search_order order, int *last_x, int *last_y) {
    int m = f->m, n_stages = f->s->n_stages;
    df_score best = { .bytes = -1 };
    f->order = order;
    for (size_t i = 0; i < (size_t)n_stages * (size_t)m * (size_t)m; i++) f->cells[i].score.bytes = -1;
    cell_at(f, 0, 0, m - 1)->score = (df_score) { 0 };
    for (int stage = 0; stage < n_stages - 1; stage++)
        for (int x = 0; x < m; x++)
            for (int y = x; y < m; y++)
                if (cell_at(f, stage, x, y)->score.bytes >= 0) extend(f, stage, x, y);
    for (int x = 0; x < m; x++)
        for (int y = x; y < m; y++) {
            df_score score = finish(f, x, y);
            if (!df_score_is_better(score, best, order)) continue;
            best = score;
            *last_x = x;
            *last_y = y;
        }
    return best;
}

static df_code alloc_cells(folding *f, df_err *err) {
    size_t n = (size_t)f->s->n_stages * (size_t)f->m * (size_t)f->m;
    free(f->cells);
    f->cells = malloc(n * sizeof *f->cells);
    return f->cells ? DF_OK : df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", f->s->graph->name, f->s->n_stages);
}

/* With links the limit is raised until there is a plan; the best of those below it is the best of all. */
static df_code find_limit(folding *f, double slack, df_err *err) {
    int x, y;
    df_code rc = choose_candidates(f, 1 + slack, err);
    if (!rc) rc = alloc_cells(f, err);
    if (rc || !f->s->has_links) return rc;
    for (double raise = 1 + slack; raise < DF_LINKS_WORST; raise *= DF_LINKS_RAISE) {
        if ((rc = choose_candidates(f, raise, err)) || (rc = alloc_cells(f, err))) return rc;
        df_score found = search(f, DF_LARGEST_FIRST, &x, &y);
        if (found.bytes < 0) continue;
        f->limit = found.largest * (1 + slack);
        return DF_OK;
    }
    return df_search_no_room(f->s, err);
}

static void assign(const folding *f, int x, int y, int *stage_of) {
    for (int i = f->at[x]; i < f->at[y]; i++) stage_of[i] = f->s->n_stages - 1;
    for (int stage = f->s->n_stages - 1; stage > 0; stage--) {
        const cell *c = cell_at(f, stage, x, y);
        for (int i = f->at[c->from_x]; i < f->at[x]; i++) stage_of[i] = stage - 1;
        for (int i = f->at[y]; i < f->at[c->from_y]; i++) stage_of[i] = stage - 1;
        x = c->from_x;
        y = c->from_y;
    }
}

static void folding_close(folding *f) {
    free(f->at);
    free(f->cells);
    df_window_close(&f->window);
}

df_code df_search_folded(const df_search *s, double slack, int *stage_of, df_err *err) {
    folding f = { .s = s };
    int x = 0, y = 0;
    df_code rc = df_window_open(&f.window, s, err);
    if (!rc) rc = find_limit(&f, slack, err);
    if (!rc && search(&f, DF_BYTES_FIRST, &x, &y).bytes < 0)
        rc = df_err_set(err, DF_EINTERNAL, "%s: no plan for %d stages", s->graph->name, s->n_stages);
    if (!rc) assign(&f, x, y, stage_of);
    folding_close(&f);
    return rc;
}

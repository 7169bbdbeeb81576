/* Folded slices: stage i has the nodes [x_i, x_i+1) on the way down and [y_i+1, y_i) on the way up; the last stage has
 * what is left in the middle. Stage by stage the open interval [x, y) shrinks from both ends, so a plan is a path over
 * states (x, y). Boundaries are taken from candidate positions: every position of a small graph; of a large one those
 * where the least crosses, one per equal share of the cost.
 *
 * First the smallest possible largest stage. For a given x a smaller y is never worse (cutting a plan of the larger
 * interval gives one of the smaller), so one y per x is enough to tell whether a limit can be kept: bisection. Then the
 * fewest bytes under that limit, over all states that still can be finished; these form a thin band around x for each
 * y, because nearly equal stages leave little freedom. */
#include <stdlib.h>
#include <string.h>

#include "cluster/plan_search.h"

enum { CANDIDATES_MAX = 192, CANDIDATES_MIN = 24 };
#define STEPS_MAX 2e7 /* transitions looked at; above it the candidates are thinned further */

typedef struct cell {
    int64_t bytes; /* -1: not reached */
    double largest;
    int from_x, from_y;
} cell;

typedef struct folding {
    const df_search *s;
    int n_stages;
    int *at; /* [m] candidate positions, ascending, 0 and n_nodes among them */
    int m;
    double limit;
    cell *cells; /* [n_stages][m][m]: before stage k, interval [at[x], at[y]) is open */
    df_window window;
} folding;

static double seconds(const folding *f, int x, int y) {
    return df_search_seconds(f->s, f->at[x], f->at[y]);
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
    int m = f->m;
    for (int x = 0; x < m; x++) open[x] = x ? m : m - 1;
    for (int stage = 0; stage + 1 < f->n_stages; stage++) {
        for (int x = 0; x < m; x++) next[x] = m;
        for (int x = 0; x < m; x++) {
            if (open[x] == m) continue;
            for (int to = x, y = x; to <= open[x] && df_search_fits(seconds(f, x, to), limit); to++) {
                if (y < to) y = to;
                while (!df_search_fits(seconds(f, x, to) + seconds(f, y, open[x]), limit)) y++;
                if (y < next[to]) next[to] = y;
            }
        }
        memcpy(open, next, (size_t)m * sizeof *open);
    }
    for (int x = 0; x < m; x++)
        if (open[x] != m && df_search_fits(seconds(f, x, open[x]), limit)) return true;
    return false;
}

static double smallest_largest(const folding *f, int *scratch) {
    double low = f->s->prefix[f->s->graph->n_nodes] / f->n_stages * (1 - 1e-9), high = low * f->n_stages * (1 + 1e-8);
    for (int i = 0; i < 40; i++) {
        double mid = (low + high) / 2;
        *(can_finish(f, mid, scratch, scratch + f->m) ? &high : &low) = mid;
    }
    return high;
}

/* Transitions the second search would look at, from the width of the band. */
static double steps(const folding *f) {
    double total = f->s->prefix[f->s->graph->n_nodes], m = f->m;
    double band = total > 0 ? f->n_stages * f->limit / total - 1 : 1;
    double states = m * (1 + (band < 1 ? band : 1) * m);
    return f->n_stages < 3 ? states : (f->n_stages - 2) * states * states / 4;
}

static df_code choose_candidates(folding *f, double slack, df_err *err) {
    int n = f->s->graph->n_nodes;
    int64_t *crossing = malloc(((size_t)n + 1) * sizeof *crossing);
    int *scratch = malloc(2 * CANDIDATES_MAX * sizeof *scratch);
    f->at = malloc((CANDIDATES_MAX + 2) * sizeof *f->at);
    df_code rc = DF_OK;
    if (crossing && scratch && f->at) {
        crossing_bytes(f->s, crossing);
        for (int max = CANDIDATES_MAX - 1;; max = max * 3 / 4) {
            f->m = pick_candidates(f->s, crossing, max, f->at);
            f->limit = smallest_largest(f, scratch) * (1 + slack);
            if (steps(f) <= STEPS_MAX || max * 3 / 4 < CANDIDATES_MIN) break;
        }
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
    const cell *from = cell_at(f, stage, x, y);
    double mine = seconds(f, x, to_x) + seconds(f, to_y, y);
    cell *to = cell_at(f, stage + 1, to_x, to_y);
    cell next = { from->bytes + f->window.bytes, mine > from->largest ? mine : from->largest, x, y };
    if (to->bytes < 0 || next.bytes < to->bytes || (next.bytes == to->bytes && next.largest < to->largest)) *to = next;
}

/* Moves the lower end of the window's upper slice. */
static void move_up_slice(folding *f, int *low, int to) {
    for (; *low < to; ++*low) df_window_remove(&f->window, f->at[*low], f->at[*low + 1]);
    for (; *low > to; --*low) df_window_add(&f->window, f->at[*low - 1], f->at[*low]);
}

/* All ways in which `stage` can take its two slices from the open interval (x, y). */
static void extend(folding *f, int stage, int x, int y) {
    int low = y;
    double rest = f->limit * (f->n_stages - 1 - stage); /* what the stages after this one can take */
    df_window_reset(&f->window, stage);
    for (int to_x = x, first = x; to_x <= y && df_search_fits(seconds(f, x, to_x), f->limit); to_x++) {
        if (low < to_x) move_up_slice(f, &low, to_x); /* the slices never overlap */
        if (to_x > x) df_window_add(&f->window, f->at[to_x - 1], f->at[to_x]);
        if (first < to_x) first = to_x;
        while (!df_search_fits(seconds(f, x, to_x) + seconds(f, first, y), f->limit)) first++;
        for (int to_y = first; to_y <= y && df_search_fits(seconds(f, to_x, to_y), rest); to_y++) {
            move_up_slice(f, &low, to_y);
            reach(f, stage, x, y, to_x, to_y);
        }
    }
}

static bool search_bytes(folding *f, int *last_x, int *last_y) {
    int m = f->m, last = f->n_stages - 1;
    cell best = { .bytes = -1 };
    cell_at(f, 0, 0, m - 1)->bytes = 0;
    for (int stage = 0; stage < last; stage++)
        for (int x = 0; x < m; x++)
            for (int y = x; y < m; y++)
                if (cell_at(f, stage, x, y)->bytes >= 0) extend(f, stage, x, y);
    for (int x = 0; x < m; x++)
        for (int y = x; y < m; y++) {
            cell c = *cell_at(f, last, x, y);
            if (c.bytes < 0 || !df_search_fits(seconds(f, x, y), f->limit)) continue;
            df_window_reset(&f->window, last);
            df_window_add(&f->window, f->at[x], f->at[y]);
            c.bytes += f->window.bytes;
            if (seconds(f, x, y) > c.largest) c.largest = seconds(f, x, y);
            if (best.bytes >= 0 && (c.bytes > best.bytes || (c.bytes == best.bytes && c.largest >= best.largest)))
                continue;
            best = c;
            *last_x = x;
            *last_y = y;
        }
    return best.bytes >= 0;
}

static void assign(const folding *f, int x, int y, int *stage_of) {
    for (int i = f->at[x]; i < f->at[y]; i++) stage_of[i] = f->n_stages - 1;
    for (int stage = f->n_stages - 1; stage > 0; stage--) {
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

df_code df_search_folded(const df_search *s, int n_stages, double slack, int *stage_of, df_err *err) {
    folding f = { .s = s, .n_stages = n_stages };
    df_code rc = df_window_open(&f.window, s, err);
    if (!rc) rc = choose_candidates(&f, slack, err);
    if (rc) goto out;
    size_t n_cells = (size_t)n_stages * (size_t)f.m * (size_t)f.m;
    if (!(f.cells = malloc(n_cells * sizeof *f.cells))) {
        rc = df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", s->graph->name, n_stages);
        goto out;
    }
    for (size_t i = 0; i < n_cells; i++) f.cells[i] = (cell) { .bytes = -1 };
    int x = 0, y = 0;
    if (search_bytes(&f, &x, &y))
        assign(&f, x, y, stage_of);
    else
        rc = df_err_set(err, DF_EINTERNAL, "%s: no plan for %d stages", s->graph->name, n_stages);
out:
    folding_close(&f);
    return rc;
}

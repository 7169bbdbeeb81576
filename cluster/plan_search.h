/* What the linear and the folded search share (inside cluster/ only).
 *
 * Both minimise, in this order: the largest stage; then, among all plans whose largest stage is at most `slack` above
 * that, the bytes that cross; then again the largest stage. A stage takes one or two slices of the node list; what it
 * must receive follows from its slices alone, so the bytes of a plan are a sum over stages and the search is exact. */
#ifndef DF_CLUSTER_PLAN_SEARCH_H
#define DF_CLUSTER_PLAN_SEARCH_H

#include "cluster/plan.h"

typedef struct df_search {
    const df_graph *graph;
    double *prefix; /* [n_nodes + 1]: seconds of the nodes before */
    int64_t *value_bytes; /* [n_values], one row */
    int *near_until; /* [n_values]: last node that uses it other than as a skip, -1 if none */
    bool has_skips;
} df_search;

df_code df_search_open(df_search *s, const df_graph *g, const df_cost *cost, df_err *err);
void df_search_close(df_search *s);

/* Seconds of nodes [a, b). Sums of the same nodes may differ by rounding: compare with df_search_fits. */
double df_search_seconds(const df_search *s, int a, int b);
bool df_search_fits(double seconds, double limit);

/* The nodes of one stage while slices grow and shrink, and what the stage must receive: each value once that is used
 * there (stage 0 also "uses" the graph's outputs) and made elsewhere (stage 0 owns the graph's inputs). */
typedef struct df_window {
    const df_search *search;
    int *n_uses; /* [n_values] */
    bool *home; /* [n_values] */
    int64_t bytes;
} df_window;

df_code df_window_open(df_window *w, const df_search *s, df_err *err);
void df_window_close(df_window *w);
void df_window_reset(df_window *w, int stage);
void df_window_add(df_window *w, int first, int end);
void df_window_remove(df_window *w, int first, int end);

/* Fill stage_of [n_nodes]. */
df_code df_search_linear(const df_search *s, int n_stages, double slack, int *stage_of, df_err *err);
df_code df_search_folded(const df_search *s, int n_stages, double slack, int *stage_of, df_err *err);

#endif

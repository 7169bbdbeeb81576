/* What the linear and the folded search share (inside cluster/ only).
 *
 * Both minimise, in this order: the largest stage; then, among all plans whose largest stage is at most `slack` above
 * that, the bytes that cross; then again the largest stage. A stage takes one or two slices of the node list; what it
 * must receive follows from its slices alone, so the bytes of a plan are a sum over stages and the search is exact.
 *
 * How long a stage computes and what its weights take can only grow with its slices; what it receives may shrink. The
 * smallest limit under which a plan exists is therefore found by bisection as long as nothing is asked of the links,
 * and with them by the search itself, in order of the largest stage. */
#ifndef DF_CLUSTER_PLAN_SEARCH_H
#define DF_CLUSTER_PLAN_SEARCH_H

#include "cluster/plan.h"

typedef struct df_search {
    const df_graph *graph;
    int n_stages;
    df_plan_ranks ranks; /* arrays are borrowed */
    bool has_links; /* receiving takes time */
    double *prefix; /* [n_nodes + 1]: seconds of the nodes before */
    int64_t *weight_prefix; /* [n_nodes + 1]: bytes of their weights */
    int64_t *value_bytes; /* [n_values], one row */
    int *near_until; /* [n_values]: last node that uses it other than as a skip, -1 if none */
    bool has_skips;
} df_search;

/* ranks is copied, its arrays are borrowed. */
df_code df_search_open(df_search *s, const df_graph *g, const df_cost *cost, int n_stages, const df_plan_ranks *ranks,
                       df_err *err);
void df_search_close(df_search *s);

/* Seconds of nodes [a, b). Sums of the same nodes may differ by rounding: compare with df_search_fits. */
double df_search_seconds(const df_search *s, int a, int b);
bool df_search_fits(double seconds, double limit);
int64_t df_search_weights(const df_search *s, int a, int b); /* bytes of nodes [a, b) */

double df_search_speed(const df_search *s, int stage);
/* How long a stage's rank computes, other work included, when the stage's nodes take so many seconds. */
double df_search_load(const df_search *s, int stage, double seconds);
/* That, or how long it receives. */
double df_search_pace(const df_search *s, int stage, double seconds, int64_t bytes_in);
bool df_search_takes(const df_search *s, int stage, double seconds, int64_t weight_bytes, double limit);
/* Seconds of nodes that the stages from `first` on can take under a limit. */
double df_search_capacity(const df_search *s, int first, double limit);
/* No limit below the first makes sense, and none above the second, memory and links apart. */
void df_search_bounds(const df_search *s, double *low, double *high);

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

/* A plan on the way: what it sends so far and its largest stage. */
typedef struct df_score {
    int64_t bytes; /* -1: not reached */
    double largest;
} df_score;

/* With links: the limit is raised by this factor until a plan exists, up to that many times the arithmetic. */
#define DF_LINKS_RAISE 1.3
#define DF_LINKS_WORST 1e9

typedef enum df_search_order { DF_LARGEST_FIRST, DF_BYTES_FIRST } df_search_order;

bool df_score_is_better(df_score a, df_score b, df_search_order order);

df_code df_search_no_room(const df_search *s, df_err *err); /* DF_ELIMIT */

/* Fill stage_of [n_nodes]. DF_ELIMIT: the weights have no room. */
df_code df_search_linear(const df_search *s, double slack, int *stage_of, df_err *err);
df_code df_search_folded(const df_search *s, double slack, int *stage_of, df_err *err);

#endif

/* The plan: which rank runs which node of a component, and what that costs.
 *
 *   df_cost_model(g, &cost, &err)                       per-node seconds of one row
 *   df_plan_make(&p, g, &cost, n, kind, &ranks, &err)
 *   df_cut_new(&cut, g, p->stage_of, p->n_stages, &err)
 *
 * Shapes of a plan: FOLDED (rank i has the i-th slice of the way down and the matching slice of the way up, so that
 * skips stay home and first and last node share rank 0) and LINEAR. The best boundaries are found by dynamic
 * programming over the places where the fewest bytes cross; the aim is the smallest largest stage, then the fewest
 * bytes. A stage is as long as its rank computes, or receives, whichever is longer: both go on at the same time.
 * Threads: pure functions. */
#ifndef DF_CLUSTER_PLAN_H
#define DF_CLUSTER_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "engine/graph/cut.h"

#define DF_PLAN_SLACK 0.02 /* modelled costs tell no less apart */

typedef enum df_plan_kind { DF_PLAN_LINEAR, DF_PLAN_FOLDED } df_plan_kind;

typedef struct df_cost {
    double *node_seconds; /* [n_nodes], one row */
    double *node_flops; /* [n_nodes], one row, multiply and add counted apart */
    int n_nodes;
} df_cost;

/* Modelled from shapes. */
df_code df_cost_model(df_cost *out, const df_graph *g, df_err *err);
void df_cost_free(df_cost *c);

/* What the ranks are and what else they do. Arrays are [n_stages] where nothing else is said; rank i has stage i. */
typedef struct df_plan_ranks {
    const double *speed; /* times as fast as the costs say; NULL: 1 each */
    const double *busy_seconds; /* works for other components, per row of this one; NULL: 0 */
    const int64_t *room_bytes; /* for weights; NULL: any */
    const double *bytes_per_second; /* at which it receives; NULL: at once */
    double slack; /* balance given up for fewer bytes, of the largest stage; 0: DF_PLAN_SLACK */
    df_dtype dtype; /* of weights and of values that cross */
    const size_t *weight_bytes; /* [n_nodes] as a backend packs them; NULL: each once, in dtype */
} df_plan_ranks;

typedef struct df_plan_stage {
    double seconds; /* of one row, at the rank's speed */
    double share; /* of the whole, 0..1 */
    int64_t parameters;
    size_t weight_bytes; /* as the ranks hold them */
    int64_t bytes_out, bytes_in; /* per row, to and from all other stages */
} df_plan_stage;

typedef struct df_plan {
    df_plan_kind kind;
    int n_stages;
    int *stage_of; /* [n_nodes] */
    df_plan_stage *stage; /* [n_stages] */
    int64_t bytes_crossing; /* per row and pass, all boundaries */
    int64_t bytes_crossing_naive; /* the same for the best-balanced cut into consecutive slices (skips cross) */
    double largest_seconds; /* of a row, what bounds the pace: other work and receiving included */
    double imbalance; /* largest stage's arithmetic / mean - 1 */
    double efficiency; /* predicted share of time the busiest-bound pipeline computes: mean / largest */
} df_plan;

/* kind: FOLDED falls back to LINEAR where the graph has no skips to keep home, and where so many ranks fold worse than
 * consecutive slices. ranks: NULL for equal ones that hold f32 and do nothing else.
 * Errors: DF_ELIMIT if the weights have no room on so many ranks. */
df_code df_plan_make(df_plan **out, const df_graph *g, const df_cost *cost, int n_stages, df_plan_kind kind,
                     const df_plan_ranks *ranks, df_err *err);
void df_plan_free(df_plan **p);

#endif

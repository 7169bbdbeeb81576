/* What to do with so many ranks: replicas, pipelines of some depth, guidance halves on two ranks.
 *
 *   df_strategies_weigh(&all, model, &size, &cfg, &err);
 *   best = df_strategy_best(&all, DF_FOR_THROUGHPUT);     NULL: none fits
 *   df_strategy_explain(&all, best, DF_FOR_THROUGHPUT, text, sizeof text);
 *   if (df_strategy_slower(&all, depth, DF_FOR_THROUGHPUT, text, sizeof text)) warn;
 *
 * Predictions are from the plan's costs: pace is that of the busiest rank or link, and no more than what the
 * micro-batches in flight allow; latency is that of a picture alone. */
#ifndef DF_CLUSTER_STRATEGY_H
#define DF_CLUSTER_STRATEGY_H

#include "cluster/model_plan.h"

typedef enum df_strategy_kind {
    DF_STRATEGY_PIPELINES, /* of a depth; 1: plain replicas */
    DF_STRATEGY_HALVES, /* a pipeline of depth / 2 stages on each half of the ranks: halves.h */
} df_strategy_kind;

/* What somebody asked for. */
typedef enum df_split {
    DF_SPLIT_BEST, /* nothing: by aim */
    DF_SPLIT_LAYERS, /* DF_STRATEGY_PIPELINES */
    DF_SPLIT_CFG, /* DF_STRATEGY_HALVES */
} df_split;

typedef enum df_strategy_aim { DF_FOR_THROUGHPUT, DF_FOR_LATENCY } df_strategy_aim;

typedef struct df_strategy {
    df_strategy_kind kind;
    int depth, replicas; /* ranks of each, how many */
    bool fits; /* the memory; else nothing below is known */
    double pictures_per_second, seconds_per_picture;
    int64_t memory_bytes; /* of the fullest rank */
} df_strategy;

enum { DF_MAX_STRATEGIES = 80 };

typedef struct df_strategies {
    int n_ranks, n;
    bool measured; /* costs of the denoiser; else modelled */
    df_strategy of[DF_MAX_STRATEGIES];
} df_strategies;

typedef struct df_strategy_cfg {
    df_plan_terms terms; /* n_ranks: all there are. speed and hops: those of the first ranks hold for each replica */
    int micro_batch; /* pictures */
    int (*slots)(int n_ranks, int n_halves); /* micro-batches in flight of a pipeline */
} df_strategy_cfg;

/* Every depth up to 16 and those that divide the ranks; of guided pictures the even ones in halves as well. */
df_code df_strategies_weigh(df_strategies *out, const df_model *model, const df_graph_size *size,
                            const df_strategy_cfg *cfg, df_err *err);
const df_strategy *df_strategy_best(const df_strategies *s, df_strategy_aim aim);
const df_strategy *df_strategy_find(const df_strategies *s, df_strategy_kind kind, int depth); /* NULL: not weighed */
/* Of all these ranks as one pipeline: is it faster in halves? */
bool df_strategy_wants_halves(const df_strategies *s, int depth, df_strategy_aim aim);
/* "4 pipelines of 2 ranks" */
char *df_strategy_name(const df_strategy *s, char *out, size_t out_bytes);
/* One line: the choice and why. */
char *df_strategy_explain(const df_strategies *all, const df_strategy *best, df_strategy_aim aim, char *out,
                          size_t out_bytes);

/* Whether something is more than 2 % better than this kind of pipelines of this depth, and by how much, in a line.
 * False where that was not weighed or has no room. */
bool df_strategy_slower(const df_strategies *all, df_strategy_kind kind, int depth, df_strategy_aim aim, char *out,
                        size_t out_bytes);

/* Of a component on the ranks of its plan, or of each half on so many, until its last output is on rank 0: the longest
 * way through segments and messages. */
df_code df_pass_seconds(const df_component_plan *c, int n_rows, int n_halves, const df_plan_terms *terms,
                        double *seconds, df_err *err);

#endif

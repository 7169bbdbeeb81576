/* Options of commands that plan for ranks: what these are, what they hold, what a picture asks of them.
 *
 * df_plan_argp's input is a df_plan_options. A df_plan_setup has the terms of so many ranks and what they point to. */
#ifndef DF_CLIENT_PLAN_OPTIONS_H
#define DF_CLIENT_PLAN_OPTIONS_H

#include <argp.h>

#include "client/costs_options.h"
#include "cluster/model_plan.h"
#include "cluster/strategy.h"

enum { DF_PLAN_MOST_RANKS = 256, DF_PLAN_MOST_LINKS = 64 };

typedef struct df_plan_options {
    const char *link[DF_PLAN_MOST_LINKS]; /* as df_hops_set takes them */
    int n_links;
    double speed[DF_PLAN_MOST_RANKS];
    int n_speeds; /* the last holds for all that follow; 0: equal */
    int64_t device_bytes; /* 0: any */
    df_backend_cfg backend_cfg;
    int steps, micro_batch, slots; /* 0: the default */
    bool unguided;
    df_split split; /* DF_SPLIT_BEST: by layers */
    df_costs_options costs;
} df_plan_options;

extern const struct argp df_plan_argp;

typedef struct df_plan_setup {
    df_plan_terms terms; /* n_ranks: those of a half */
    int n_halves, micro_batch; /* pictures */
    df_hops hops;
    double speed[DF_PLAN_MOST_RANKS];
} df_plan_setup;

/* Latents of pictures of that size in pixels; 0: the model's own, which is filled in. name: the model's, for errors. */
df_code df_plan_size(df_graph_size *out, const df_model *model, const char *name, int *width, int *height, df_err *err);

/* What is known of this machine, or measured now where that was asked for, for a plan of all components at that size on
 * so many ranks. Where it cannot be had, a warning on stderr: costs are then modelled. */
void df_plan_costs_learn(df_cost_book *book, const df_plan_options *o, const df_model *model, const df_graph_size *size,
                         int n_ranks);

/* Of all the ranks, in one half or two (cluster/halves.h); df_plan_halves is what the options say. s does not move
 * while its terms are used. model: for its micro-batches where none are asked for; NULL: 4 pictures. Errors: DF_EINVAL
 * for two halves of an odd number of ranks. */
df_code df_plan_setup_open(df_plan_setup *s, const df_plan_options *o, const df_model *model, int n_ranks, int n_halves,
                           df_err *err);
int df_plan_halves(const df_plan_options *o);
void df_plan_setup_close(df_plan_setup *s);

#endif

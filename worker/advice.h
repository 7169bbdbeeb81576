/* A word to those who asked for pipelines of a depth where the planner would do something else with the ranks.
 *
 *   if (df_advice_slower(&question, text, sizeof text)) warn: "1 pipeline of 8 ranks: 97 % of the pace of ..."
 *
 * Nothing is told where the alternatives have no room. Threads: pure functions. */
#ifndef DF_WORKER_ADVICE_H
#define DF_WORKER_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "cluster/cost_book.h"
#include "cluster/strategy.h"

typedef struct df_advice_question {
    const df_model *model;
    int width, height; /* pixels of a picture; 0: the model's own */
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int micro_batch; /* pictures */
    int n_ranks, depth; /* all there are, ranks of a pipeline */
    const df_hops *hops; /* [n_ranks] between them; NULL: nothing to pay */
    const df_cost_book *costs; /* measured ones; NULL, or not of the size: modelled */
    int64_t rank_bytes; /* of memory that a rank has; 0: any */
    df_split split; /* asked for */
    df_strategy_aim aim;
} df_advice_question;

/* Into how many halves (cluster/halves.h) each pipeline goes, 1 or 2: as asked for, else for latency in the faster of
 * both. 1 where no plan can be made, and with an odd depth. */
int df_advice_halves(const df_advice_question *q);

/* False, and nothing is written, if there is nothing to tell; also if no plan can be made: who renders will say why. */
bool df_advice_slower(const df_advice_question *q, char *out, size_t out_bytes);

/* Of this machine's memory, the part of each of so many ranks; 0: the kernel tells nothing. */
int64_t df_advice_rank_bytes(int n_ranks);

#endif

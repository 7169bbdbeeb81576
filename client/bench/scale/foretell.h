/* What the pipeline simulator says of deeper pipelines: how many times the pace of shallower ones they have.
 *
 *   df_foretell f = { .model = model, .size = size, ... };   df_foretell_pace(&f, 4, 2, 1)
 *
 * Costs are the plan's, modelled from shapes (docs/pipelines.md, "The schedule, simulated"); only their ratio counts
 * here. Ranks that have no core of their own share those there are. Threads: one at a time on an f. */
#ifndef DF_CLIENT_BENCH_SCALE_FORETELL_H
#define DF_CLIENT_BENCH_SCALE_FORETELL_H

#include "engine/dtype.h"
#include "engine/models/model.h"

enum { DF_FORETELL_KEPT = 256 };

typedef struct df_foretell {
    const df_model *model; /* borrowed */
    int width, height; /* pixels; 0: the model's */
    df_dtype dtype;
    int steps, micro_batch; /* micro_batch 0: the worker's choice */
    bool unguided;
    int64_t pictures; /* of a run in all; of each rank where `weak` */
    bool weak;
    double cores; /* of the machine, in ranks: cores over threads of a rank; 0: a rank always has its own */
    struct df_foretold {
        int workers, depth;
        double pace;
    } kept[DF_FORETELL_KEPT];
    int n_kept;
} df_foretell;

/* A df_scale_pace_fn (analysis.h); ctx is a df_foretell. 0 where the simulator cannot tell. */
double df_foretell_pace(void *ctx, int workers, int depth, int base);

#endif

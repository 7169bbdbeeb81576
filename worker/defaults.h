/* What a worker chooses when it is not told; --dry-run counts with the same. */
#ifndef DF_WORKER_DEFAULTS_H
#define DF_WORKER_DEFAULTS_H

#include "engine/models/model.h"

#define DF_WORKER_MAX_MICRO_BATCH 64
#define DF_WORKER_RECUT_AFTER 24 /* passes, of which the median of the latest counts; by measured costs alone */

/* Pictures of one micro-batch, 0 wanted: a default. What a model draws small needs little memory, and more rows to be
 * worth reading the weights for. */
static inline int df_worker_micro_batch(int wanted, const df_model_info *model) {
    enum { SMALL_SIDE = 256 };
    bool small = model->default_width <= SMALL_SIDE && model->default_height <= SMALL_SIDE;
    if (wanted > DF_WORKER_MAX_MICRO_BATCH) return DF_WORKER_MAX_MICRO_BATCH;
    return wanted > 0 ? wanted : small ? 8 : 4;
}

/* Micro-batches in flight: a folded plan visits every rank twice, so that twice as many as stages keep all busy; in
 * halves of one stage the second computes one while rank 0 makes another ready. */
static inline int df_worker_slots(int n_ranks, int n_halves) {
    return n_ranks == 1 ? 1 : 2 * n_ranks / n_halves;
}

#endif

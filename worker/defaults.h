/* What a worker chooses when it is not told; --dry-run counts with the same. */
#ifndef DF_WORKER_DEFAULTS_H
#define DF_WORKER_DEFAULTS_H

#define DF_WORKER_MAX_MICRO_BATCH 64

/* Pictures of one micro-batch. */
static inline int df_worker_micro_batch(int wanted) {
    return wanted > 0 ? wanted : 4;
}

/* Micro-batches in flight: a folded plan visits every rank twice, so that twice as many as ranks keep all busy. */
static inline int df_worker_slots(int n_ranks) {
    return n_ranks == 1 ? 1 : 2 * n_ranks;
}

#endif

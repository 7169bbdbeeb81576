/* Thousands of workers that render nothing (noop_worker.h), each behind a socket of its own, in one thread.
 *
 *   df_crowd_run(&cfg, stop_fd, &report, &err);      until stop_fd can be read
 *
 * A peer over TCP takes two descriptors here and one at the coordinator. */
#ifndef DF_CLIENT_SIMULATE_CROWD_H
#define DF_CLIENT_SIMULATE_CROWD_H

#include "client/simulate/noop_worker.h"

typedef struct df_crowd_cfg {
    df_noop_shape shape;
    int first, n_workers; /* their numbers: first, first + 1, ... */
} df_crowd_cfg;

typedef struct df_crowd_report {
    uint64_t n_done; /* results acknowledged as committed */
} df_crowd_report;

/* DF_ELIMIT: more workers than descriptors. DF_EPROTOCOL: the coordinator has refused one. */
df_code df_crowd_run(const df_crowd_cfg *cfg, int stop_fd, df_crowd_report *report, df_err *err);

#endif

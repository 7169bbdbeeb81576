/* A coordinator and crowds of workers that render nothing, each a process of its own on this machine.
 *
 *   df_noop_farm_start(&f, &cfg, &err);            the coordinator listens
 *   df_noop_farm_hire(&f, shape, n, n_processes, &err);   the workers connect
 *   df_noop_farm_check(&f, &err);                  now and then: is everyone still there?
 *   df_noop_farm_stop(&f, &n_done, &err);
 *
 * To be started before this process has threads or sockets: it forks. What is left when this process dies dies as well.
 */
#ifndef DF_CLIENT_SIMULATE_NOOP_FARM_H
#define DF_CLIENT_SIMULATE_NOOP_FARM_H

#include <stdint.h>
#include <sys/types.h>

#include "client/simulate/noop_worker.h"

enum { DF_NOOP_MAX_CROWDS = 64 };

typedef struct df_noop_farm {
    char state_dir[2048], log_path[2112], endpoint[256];
    pid_t coordinator, crowds[DF_NOOP_MAX_CROWDS];
    int stop_fds[DF_NOOP_MAX_CROWDS], report_fds[DF_NOOP_MAX_CROWDS];
    int n_crowds;
} df_noop_farm;

/* The log goes to STATE/coordinator.log. DF_EUNREACHABLE: it does not come up; the text has its last line. */
df_code df_noop_farm_start(df_noop_farm *f, const char *state_dir, df_err *err);
df_code df_noop_farm_hire(df_noop_farm *f, const df_noop_shape *shape, int n_workers, int n_processes, df_err *err);
df_code df_noop_farm_check(df_noop_farm *f, df_err *err);
/* n_done: results that workers were told are committed. Safe on a farm that is half started. */
df_code df_noop_farm_stop(df_noop_farm *f, uint64_t *n_done, df_err *err);

#endif

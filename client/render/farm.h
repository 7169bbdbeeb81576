/* The embedded farm of `render`: a coordinator and workers as child processes of this one, on a free loopback port.
 *
 *   df_farm_host_start(&f, &cfg, &err);             df_farm_host_endpoint(f)
 *   df_farm_host_poll(f, &err);                     a few times a second: starts again what has ended
 *   df_farm_host_stop(&f, in_order);
 *
 * What they write goes to STATE/coordinator.log and STATE/worker-N.log; when one cannot be kept alive, its last line is
 * in the error. The kernel kills them when this process dies, however it dies. */
#ifndef DF_CLIENT_RENDER_FARM_H
#define DF_CLIENT_RENDER_FARM_H

#include <stdbool.h>

#include "base/err.h"
#include "cluster/node_costs.h"
#include "cluster/strategy.h"
#include "worker/launch.h"

typedef struct df_farm_host df_farm_host;

typedef struct df_farm_cfg {
    const char *state_dir; /* absolute; made if absent */
    int n_workers, pipeline, threads, micro_batch; /* micro_batch 0: the job's */
    const char *backend;
    df_launcher launcher; /* of pipelines' ranks, which are all on this machine */
    const char *packed_dir; /* of the workers; NULL: none */
    df_costs_cfg costs; /* likewise: its mode and folder */
    df_split split; /* with aim: likewise */
    df_strategy_aim aim;
    const char *trace; /* of the first worker; the others' have its number before the last dot; NULL: none */
} df_farm_cfg;

df_code df_farm_host_start(df_farm_host **out, const df_farm_cfg *cfg, df_err *err);
const char *df_farm_host_endpoint(const df_farm_host *f);
df_code df_farm_host_poll(df_farm_host *f, df_err *err);
/* in_order: workers may finish and say goodbye; else they are killed, which loses nothing but what they had begun. */
void df_farm_host_stop(df_farm_host **f, bool in_order); /* in_order: what their traces add up to goes to stderr */

#endif

/* By Open MPI's mpirun: forks here, or starts its daemons on other hosts by ssh or, in an allocation, by srun. */
#include <stdio.h>

#include "worker/launch.h"

/* A container's root may start ranks. */
static const char *const env[] = { "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", NULL };

/* Open MPI asks nobody for five minutes, and then waits for three more. */
static df_code add_keepalive(df_launch *l, int silence_seconds, df_err *err) {
    static const char *const names[] = { "oob_tcp_keepalive_time", "oob_tcp_keepalive_intvl",
                                         "oob_tcp_keepalive_probes" };
    int idle = silence_seconds, between = idle / 10 > 1 ? idle / 10 : 1;
    const int values[] = { idle, between, idle / between };
    df_code rc = DF_OK;
    for (int i = 0; i < 3 && !rc; i++) {
        snprintf(l->keepalive[i], sizeof l->keepalive[i], "%d", values[i]);
        rc = df_launch_add(l, "--mca", err);
        if (!rc) rc = df_launch_add(l, names[i], err);
        if (!rc) rc = df_launch_add(l, l->keepalive[i], err);
    }
    return rc;
}

static df_code add_hosts(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    df_code rc = df_launch_add(l, "--host", err);
    if (!rc) rc = df_launch_add(l, cfg->hosts, err);
    return rc || !cfg->silence_seconds ? rc : add_keepalive(l, cfg->silence_seconds, err);
}

df_code df_launch_mpirun(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    static const char *const head[] = { "mpirun", "-q",    "--oversubscribe",     "--bind-to",
                                        "none",   "--mca", "mpi_yield_when_idle", "1" };
    df_code rc = DF_OK;
    l->env = env;
    l->clean = cfg->here;
    for (size_t i = 0; i < sizeof head / sizeof *head && !rc; i++) rc = df_launch_add(l, head[i], err);
    if (!rc && cfg->hosts) rc = add_hosts(l, cfg, err);
    if (!rc) rc = df_launch_add(l, "-np", err);
    return rc ? rc : df_launch_add(l, l->ranks, err);
}

#include "worker/mpirun.h"

#include <stdio.h>

#include "worker/child.h"

const char *const df_mpirun_env[] = { "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", NULL };

df_code df_mpirun_add(df_mpirun *m, const char *arg, df_err *err) {
    if (m->n == DF_MPIRUN_MAX_ARGS - 1)
        return df_err_set(err, DF_ELIMIT, "more than %d arguments for mpirun", DF_MPIRUN_MAX_ARGS - 1);
    m->argv[m->n++] = arg;
    m->argv[m->n] = NULL;
    return DF_OK;
}

/* Open MPI asks nobody for five minutes, and then waits for three more. */
static df_code add_hosts(df_mpirun *m, const df_mpirun_hosts *hosts, df_err *err) {
    static const char *const names[] = { "oob_tcp_keepalive_time", "oob_tcp_keepalive_intvl",
                                         "oob_tcp_keepalive_probes" };
    int idle = hosts->silence_seconds, between = idle / 10 > 1 ? idle / 10 : 1;
    const int values[] = { idle, between, idle / between };
    df_code rc = df_mpirun_add(m, "--host", err);
    if (!rc) rc = df_mpirun_add(m, hosts->list, err);
    for (int i = 0; i < 3 && !rc; i++) {
        snprintf(m->keepalive[i], sizeof m->keepalive[i], "%d", values[i]);
        rc = df_mpirun_add(m, "--mca", err);
        if (!rc) rc = df_mpirun_add(m, names[i], err);
        if (!rc) rc = df_mpirun_add(m, m->keepalive[i], err);
    }
    return rc;
}

df_code df_mpirun_begin(df_mpirun *m, int n_ranks, const df_mpirun_hosts *hosts, df_err *err) {
    static const char *const head[] = { "mpirun", "-q",    "--oversubscribe",     "--bind-to",
                                        "none",   "--mca", "mpi_yield_when_idle", "1" };
    *m = (df_mpirun) { 0 };
    snprintf(m->ranks, sizeof m->ranks, "%d", n_ranks);
    df_code rc = df_child_self(m->self, sizeof m->self, err);
    for (size_t i = 0; i < sizeof head / sizeof *head && !rc; i++) rc = df_mpirun_add(m, head[i], err);
    if (!rc && hosts) rc = add_hosts(m, hosts, err);
    if (!rc) rc = df_mpirun_add(m, "-np", err);
    if (!rc) rc = df_mpirun_add(m, m->ranks, err);
    return rc ? rc : df_mpirun_add(m, m->self, err);
}

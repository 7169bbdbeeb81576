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

df_code df_mpirun_begin(df_mpirun *m, int n_ranks, df_err *err) {
    static const char *const head[] = { "mpirun", "-q",    "--oversubscribe",     "--bind-to",
                                        "none",   "--mca", "mpi_yield_when_idle", "1",
                                        "-np" };
    *m = (df_mpirun) { 0 };
    snprintf(m->ranks, sizeof m->ranks, "%d", n_ranks);
    df_code rc = df_child_self(m->self, sizeof m->self, err);
    for (size_t i = 0; i < sizeof head / sizeof *head && !rc; i++) rc = df_mpirun_add(m, head[i], err);
    if (!rc) rc = df_mpirun_add(m, m->ranks, err);
    return rc ? rc : df_mpirun_add(m, m->self, err);
}

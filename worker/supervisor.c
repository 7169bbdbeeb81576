#include "worker/supervisor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "worker/keeper.h"

#define POLL_MS 50
#define MAX_ARGS 256

/* -q: the ranks' own last line is what matters, not mpirun's page about it. */
static df_code command_line(const char **argv, char *np, const char *self, const df_supervisor_cfg *cfg, df_err *err) {
    static const char *const head[] = { "mpirun", "-q",    "--oversubscribe",     "--bind-to",
                                        "none",   "--mca", "mpi_yield_when_idle", "1",
                                        "-np" };
    int n = 0;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) argv[n++] = head[i];
    argv[n++] = np;
    argv[n++] = self;
    for (const char *const *a = cfg->args; *a; a++) {
        if (n == MAX_ARGS - 1) return df_err_set(err, DF_ELIMIT, "more than %d arguments for mpirun", MAX_ARGS);
        argv[n++] = *a;
    }
    argv[n] = NULL;
    return DF_OK;
}

static int supervise(df_keeper *k, const df_supervisor_cfg *cfg) {
    int told = 0;
    while (k->state == DF_KEEPER_RUNNING || k->state == DF_KEEPER_WAITING) {
        int wish = *cfg->drain;
        for (; told < wish; told++) df_keeper_signal(k, SIGUSR1);
        if (wish && k->state == DF_KEEPER_WAITING) return 0;
        df_clock_sleep_ms(POLL_MS);
        df_keeper_poll(k);
    }
    if (k->state == DF_KEEPER_BROKEN) return 3;
    return WIFEXITED(k->status) ? WEXITSTATUS(k->status) : 1;
}

int df_supervisor_run(const df_supervisor_cfg *cfg, df_err *err) {
    char self[PATH_MAX], np[16];
    const char *argv[MAX_ARGS];
    snprintf(np, sizeof np, "%d", cfg->n_ranks);
    df_code rc = df_child_self(self, sizeof self, err);
    if (!rc) rc = command_line(argv, np, self, cfg, err);
    if (rc) return 3;
    df_keeper k = { .child = { .argv = argv, .env = cfg->env, .death_signal = SIGTERM },
                    .name = "mpirun",
                    .log = cfg->log };
    if (df_keeper_start(&k, err)) return 3;
    int code = supervise(&k, cfg);
    df_keeper_stop(&k, SIGTERM, 3000);
    return code;
}

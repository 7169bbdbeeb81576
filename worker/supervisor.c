#include "worker/supervisor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "worker/keeper.h"
#include "worker/pulse.h"

#define POLL_MS 50
#define GRACE_MS 3000 /* mpirun ends stopped ranks as well */
#define START_MS 300000 /* until all ranks have found each other */
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

/* Rank 0 was silent for too long. */
static bool is_overdue(const df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    int64_t limit = e->n_heard || cfg->silence_ms > START_MS ? cfg->silence_ms : START_MS;
    return df_clock_ms() - e->heard_ms > limit;
}

static void replace(df_keeper *k, df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    df_log_event(cfg->log, DF_LOG_ERROR, "rank_hangs", "rank=0 silent_ms=%lld",
                 (long long)(df_clock_ms() - e->heard_ms));
    df_keeper_replace(k, SIGTERM, GRACE_MS);
}

static int supervise(df_keeper *k, df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    int told = 0;
    pid_t listened_to = 0;
    while (k->state == DF_KEEPER_RUNNING || k->state == DF_KEEPER_WAITING) {
        int wish = *cfg->drain;
        for (; told < wish; told++) df_keeper_signal(k, SIGUSR1);
        if (wish && k->state == DF_KEEPER_WAITING) return 0;
        df_pulse_ear_listen(e, 0);
        if (k->pid != listened_to) df_pulse_ear_reset(e);
        listened_to = k->pid;
        df_clock_sleep_ms(POLL_MS);
        df_keeper_poll(k);
        if (k->state == DF_KEEPER_RUNNING && k->pid == listened_to && is_overdue(e, cfg)) replace(k, e, cfg);
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
    df_pulse_ear ear;
    if (df_pulse_ear_open(&ear, err)) return 3;
    df_keeper k = { .child = { .argv = argv, .env = cfg->env, .output_fd = ear.write_fd, .death_signal = SIGTERM },
                    .name = "mpirun",
                    .log = cfg->log };
    int code = df_keeper_start(&k, err) ? 3 : supervise(&k, &ear, cfg);
    df_keeper_stop(&k, SIGTERM, GRACE_MS);
    df_pulse_ear_close(&ear);
    return code;
}

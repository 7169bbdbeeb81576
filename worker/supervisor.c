#include "worker/supervisor.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "worker/keeper.h"
#include "worker/pulse.h"

#define POLL_MS 50
#define TELL_AGAIN_MS 500
#define GRACE_MS 3000 /* mpirun ends stopped ranks as well */
#define STEP_GRACE_MS 10000 /* srun's way is by Slurm's daemons */
/* Ends the launcher and its ranks. SIGTERM does not reach mpirun: batch systems send that to every process of a worker,
 * and it would end ranks that are about to finish what they have begun. */
#define END_SIGNAL SIGHUP
#define START_MS 300000 /* until all ranks have found each other */

/* Rank 0 was silent for too long. */
static bool is_overdue(const df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    int64_t limit = e->n_heard || cfg->silence_ms > START_MS ? cfg->silence_ms : START_MS;
    return e->silent_ms > limit;
}

static int grace_ms(const df_keeper *k) {
    return k->cleans_up ? STEP_GRACE_MS : GRACE_MS;
}

static void replace(df_keeper *k, const df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    df_log_event(cfg->log, DF_LOG_ERROR, "rank_hangs", "rank=0 silent_ms=%lld", (long long)e->silent_ms);
    df_keeper_replace(k, END_SIGNAL, grace_ms(k));
}

/* The launcher has ended the other ranks when it missed these. */
static void name_missing(const df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    char where[2 * DF_ROLL_WHERE_BYTES];
    for (int r = df_roll_missing(&e->roll, 0); r >= 0; r = df_roll_missing(&e->roll, r + 1))
        df_log_event(cfg->log, DF_LOG_ERROR, "rank_died", "rank=%d of=%d where=%s", r, cfg->launch.n_ranks,
                     df_log_quote(where, sizeof where, e->roll.rank[r].where));
}

/* The wish to drain on its way to the ranks. Said again and again: mpirun drops a signal that comes before its ranks
 * are there. */
typedef struct telling {
    int wish;
    int64_t again_at_ms;
} telling;

static void tell(df_keeper *k, telling *t, int wish) {
    int64_t now = df_clock_ms();
    if (!wish || (wish == t->wish && now < t->again_at_ms)) return;
    df_keeper_signal(k, wish > 1 ? SIGUSR2 : SIGUSR1);
    *t = (telling) { wish, now + TELL_AGAIN_MS };
}

static int supervise(df_keeper *k, df_pulse_ear *e, const df_supervisor_cfg *cfg) {
    telling told = { 0 };
    pid_t listened_to = 0;
    while (k->state == DF_KEEPER_RUNNING || k->state == DF_KEEPER_WAITING) {
        int wish = *cfg->drain;
        tell(k, &told, wish);
        if (wish && k->state == DF_KEEPER_WAITING) return 0;
        df_pulse_ear_listen(e, 0);
        if (k->pid != listened_to) df_pulse_ear_reset(e);
        listened_to = k->pid;
        df_clock_sleep_ms(POLL_MS);
        df_keeper_poll(k);
        if (k->pid != listened_to) {
            df_pulse_ear_listen(e, 0); /* its last words */
            if (WIFEXITED(k->status)) name_missing(e, cfg);
        }
        if (k->state == DF_KEEPER_RUNNING && k->pid == listened_to && is_overdue(e, cfg)) replace(k, e, cfg);
    }
    if (k->state == DF_KEEPER_BROKEN) return 3;
    return WIFEXITED(k->status) ? WEXITSTATUS(k->status) : 1;
}

int df_supervisor_run(const df_supervisor_cfg *cfg, df_err *err) {
    df_launch launch;
    df_code rc = df_launch_begin(&launch, &cfg->launch, err);
    for (const char *const *a = cfg->args; *a && !rc; a++) rc = df_launch_add(&launch, *a, err);
    if (rc) return 3;
    df_pulse_ear ear;
    if (df_pulse_ear_open(&ear, err)) return 3;
    df_keeper k = { .child = { .argv = launch.argv,
                               .env = launch.env,
                               .clean_launch = launch.clean,
                               .output_fd = ear.write_fd,
                               .death_signal = END_SIGNAL,
                               .deaf_to = SIGTERM },
                    .name = df_launcher_name(cfg->launch.by),
                    .cleans_up = launch.cleans_up,
                    .log = cfg->log };
    int code = df_keeper_start(&k, err) ? 3 : supervise(&k, &ear, cfg);
    df_keeper_stop(&k, END_SIGNAL, grace_ms(&k));
    df_pulse_ear_close(&ear);
    return code;
}

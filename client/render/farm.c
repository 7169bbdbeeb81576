#include "client/render/farm.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cores.h"
#include "base/file.h"
#include "client/render/log_tail.h"
#include "client/split_options.h"
#include "worker/keeper.h"
#include "worker/start_env.h"

#define MAX_QUICK_FAILURES 4
#define START_MS 20000
#define STOP_MS 1500
#define STOP_WITH_TRACE_MS 20000 /* gathering and writing it takes a second or two */
#define LEASE_TIMEOUT_MS "4000" /* no network lies between: what is silent for so long is dead */
#define HEARTBEAT_MS "1000"

typedef struct member {
    df_keeper keeper;
    char name[32], gpu[16], log_path[PATH_MAX], trace_path[PATH_MAX];
    const char *argv[40]; /* of a worker */
    cpu_set_t cores; /* where its keeper's child may run, if that names them */
} member;

struct df_farm_host {
    df_farm_cfg cfg;
    char self[PATH_MAX], state_dir[PATH_MAX], endpoint[256];
    char pipeline[16], threads[16], micro_batch[16], places[96];
    const char *coordinator_argv[16], *worker_argv[32];
    member coordinator, *workers;
    int n_started; /* workers */
};

const char *df_farm_host_endpoint(const df_farm_host *f) {
    return f->endpoint;
}

/* command lines */

static void write_command_lines(df_farm_host *f) {
    const char *coordinator[] = { f->self,
                                  "coordinator",
                                  "--state",
                                  f->state_dir,
                                  "--bind",
                                  "tcp://127.0.0.1:*",
                                  "--lease-timeout-ms",
                                  LEASE_TIMEOUT_MS,
                                  "--heartbeat-ms",
                                  HEARTBEAT_MS,
                                  NULL };
    memcpy(f->coordinator_argv, coordinator, sizeof coordinator);
    snprintf(f->pipeline, sizeof f->pipeline, "%d", f->cfg.pipeline);
    snprintf(f->threads, sizeof f->threads, "%d", f->cfg.threads);
    snprintf(f->micro_batch, sizeof f->micro_batch, "%d", f->cfg.micro_batch);
    const char *worker[32] = { f->self,     "worker",    "--connect", f->endpoint, "--pipeline",
                               f->pipeline, "--threads", f->threads,  "--backend", f->cfg.backend };
    int n = 10;
    worker[n++] = "--launcher";
    worker[n++] = df_launcher_name(f->cfg.launcher);
    if (f->places[0]) {
        worker[n++] = "--hosts";
        worker[n++] = f->places;
    }
    if (f->cfg.micro_batch) {
        worker[n++] = "--micro-batch";
        worker[n++] = f->micro_batch;
    }
    if (f->cfg.packed_dir) {
        worker[n++] = "--packed-cache";
        worker[n++] = f->cfg.packed_dir;
    }
    worker[n++] = "--plan-costs";
    worker[n++] = df_costs_mode_name(f->cfg.costs.mode);
    if (f->cfg.costs.dir) {
        worker[n++] = "--plan-cache";
        worker[n++] = f->cfg.costs.dir;
    }
    if (df_split_name(f->cfg.split)) {
        worker[n++] = "--split";
        worker[n++] = df_split_name(f->cfg.split);
    }
    worker[n++] = "--optimize";
    worker[n] = df_aim_name(f->cfg.aim);
    memcpy(f->worker_argv, worker, sizeof f->worker_argv);
}

/* cores: NULL, or where it may run. */
static df_code start_member(df_farm_host *f, member *m, const char *const *argv, const cpu_set_t *cores, df_err *err) {
    int n = snprintf(m->log_path, sizeof m->log_path, "%s/%s.log", f->state_dir, m->name);
    if (n < 0 || (size_t)n >= sizeof m->log_path) return df_err_set(err, DF_ELIMIT, "%s: path too long", f->state_dir);
    m->keeper = (df_keeper) { .child = { .argv = argv,
                                         .env = df_start_env(),
                                         .clean_launch = f->cfg.launcher != DF_LAUNCHER_SRUN,
                                         .cores = cores,
                                         .log_path = m->log_path,
                                         .death_signal = SIGKILL },
                              .name = m->name,
                              .max_quick_failures = MAX_QUICK_FAILURES };
    return df_keeper_start(&m->keeper, err);
}

/* srun must be told that this is the node, whatever else there is in the allocation. */
static df_code place_ranks(df_farm_host *f, df_err *err) {
    const df_allocation in = df_allocation_here();
    if (f->cfg.launcher != DF_LAUNCHER_SRUN || f->cfg.pipeline < 2) return DF_OK;
    if (!*in.job || !*in.node)
        return df_err_set(
            err, DF_EUNSUPPORTED,
            "--launcher srun: this is no node of an allocation of Slurm; take mpirun, or start it by sbatch");
    snprintf(f->places, sizeof f->places, "%s:%d", in.node, f->cfg.pipeline);
    return DF_OK;
}

/* watching over them */

/* An orderly end is none while the farm is wanted; refusals and failures that repeat end it. */
static df_code check_member(const member *m, df_err *err) {
    char line[512], how[64];
    if (m->keeper.state == DF_KEEPER_RUNNING || m->keeper.state == DF_KEEPER_WAITING) return DF_OK;
    df_log_tail(m->log_path, line, sizeof line);
    return df_err_set(err, DF_EUNREACHABLE, "%s: %s (%s)", m->name, line[0] ? line : "ended without a word",
                      df_child_status_text(m->keeper.status, how, sizeof how));
}

df_code df_farm_host_poll(df_farm_host *f, df_err *err) {
    df_keeper_poll(&f->coordinator.keeper);
    df_code rc = check_member(&f->coordinator, err);
    for (int i = 0; !rc && i < f->n_started; i++) {
        df_keeper_poll(&f->workers[i].keeper);
        rc = check_member(&f->workers[i], err);
    }
    return rc;
}

/* start */

/* The coordinator writes where it listens once it does. */
static df_code read_endpoint(df_farm_host *f, const char *path, bool *there, df_err *err) {
    char *text = NULL;
    size_t bytes;
    df_code rc = df_file_read(path, sizeof f->endpoint - 1, &text, &bytes, err);
    *there = !rc && bytes;
    if (rc == DF_ENOTFOUND) return DF_OK;
    if (rc) return rc;
    snprintf(f->endpoint, sizeof f->endpoint, "%.*s", (int)strcspn(text, "\r\n"), text);
    free(text);
    return DF_OK;
}

static df_code start_coordinator(df_farm_host *f, df_err *err) {
    char path[PATH_MAX + 16];
    bool there = false;
    snprintf(path, sizeof path, "%s/endpoint", f->state_dir);
    unlink(path); /* of an earlier run: its port may be another's by now */
    df_code rc = start_member(f, &f->coordinator, f->coordinator_argv, NULL, err);
    int64_t until = df_clock_ms() + START_MS;
    while (!rc && !(rc = read_endpoint(f, path, &there, err)) && !there) {
        if ((rc = df_farm_host_poll(f, err))) break;
        if (df_clock_ms() > until)
            rc = df_err_set(err, DF_EUNREACHABLE, "coordinator: not ready after %d s", START_MS / 1000);
        df_clock_sleep_ms(10);
    }
    return rc;
}

/* FILE for the first worker, FILE-2, FILE-3, ... for the others, before the extension. */
static void name_trace(member *m, const char *file, int number) {
    const char *slash = strrchr(file, '/'), *dot = strrchr(slash ? slash : file, '.');
    int stem = dot ? (int)(dot - file) : (int)strlen(file);
    if (number == 1)
        snprintf(m->trace_path, sizeof m->trace_path, "%s", file);
    else
        snprintf(m->trace_path, sizeof m->trace_path, "%.*s-%d%s", stem, file, number, file + stem);
}

static const char *const *worker_line(df_farm_host *f, member *m, int number) {
    int n = 0;
    for (; f->worker_argv[n]; n++) m->argv[n] = f->worker_argv[n];
    if (!strcmp(f->cfg.backend, "cuda")) { /* each worker is a job of its own: who has which GPU is said here */
        snprintf(m->gpu, sizeof m->gpu, "%d", (number - 1) * f->cfg.pipeline);
        m->argv[n++] = "--gpu";
        m->argv[n++] = m->gpu;
    }
    if (f->cfg.trace) {
        name_trace(m, f->cfg.trace, number);
        m->argv[n++] = "--trace";
        m->argv[n++] = m->trace_path;
    }
    m->argv[n] = NULL;
    return m->argv;
}

/* Several workers part the cores, if these suffice for their threads. */
static df_code start_workers(df_farm_host *f, df_err *err) {
    df_code rc = DF_OK;
    int n = f->cfg.n_workers;
    bool parted = n > 1 && f->cfg.threads * f->cfg.pipeline <= df_cores_each(n);
    for (int i = 0; !rc && i < n; i++) {
        member *m = &f->workers[i];
        snprintf(m->name, sizeof m->name, "worker-%d", i + 1);
        bool own = parted && df_cores_part(&m->cores, i, n);
        rc = start_member(f, m, worker_line(f, m, i + 1), own ? &m->cores : NULL, err);
        f->n_started += !rc;
    }
    return rc;
}

df_code df_farm_host_start(df_farm_host **out, const df_farm_cfg *cfg, df_err *err) {
    df_code rc;
    df_farm_host *f = calloc(1, sizeof *f);
    if (!f) return df_err_set(err, DF_ENOMEM, "a farm");
    f->cfg = *cfg;
    snprintf(f->state_dir, sizeof f->state_dir, "%s", cfg->state_dir);
    snprintf(f->coordinator.name, sizeof f->coordinator.name, "coordinator");
    if (!(f->workers = calloc((size_t)cfg->n_workers, sizeof *f->workers))) {
        rc = df_err_set(err, DF_ENOMEM, "%d workers", cfg->n_workers);
        goto fail;
    }
    if ((rc = df_child_self(f->self, sizeof f->self, err))) goto fail;
    if ((rc = df_file_mkdirs(f->state_dir, err))) goto fail;
    if ((rc = place_ranks(f, err))) goto fail;
    write_command_lines(f);
    if ((rc = start_coordinator(f, err))) goto fail;
    if ((rc = start_workers(f, err))) goto fail;
    *out = f;
    return DF_OK;
fail:
    df_farm_host_stop(&f, false);
    return rc;
}

/* stop */

static bool any_worker_runs(df_farm_host *f) {
    bool any = false;
    for (int i = 0; i < f->n_started; i++) {
        df_keeper *k = &f->workers[i].keeper;
        if (k->pid && waitpid(k->pid, &k->status, WNOHANG) == k->pid) k->pid = 0;
        any |= k->pid > 0;
    }
    return any;
}

static void signal_workers(df_farm_host *f) {
    for (int i = 0; i < f->n_started; i++) df_keeper_signal(&f->workers[i].keeper, SIGTERM);
    int64_t until = df_clock_ms() + (f->cfg.trace ? STOP_WITH_TRACE_MS : STOP_MS);
    while (any_worker_runs(f) && df_clock_ms() < until) df_clock_sleep_ms(10);
}

void df_farm_host_stop(df_farm_host **fp, bool in_order) {
    df_farm_host *f = *fp;
    if (!f) return;
    if (in_order) signal_workers(f);
    for (int i = 0; i < f->n_started; i++) df_keeper_stop(&f->workers[i].keeper, SIGKILL, 1000);
    df_keeper_stop(&f->coordinator.keeper, SIGTERM, 3000);
    for (int i = 0; in_order && f->cfg.trace && i < f->n_started; i++)
        df_log_relay(f->workers[i].log_path, "trace:", stderr);
    free(f->workers);
    free(f);
    *fp = NULL;
}

#include "client/bench/scale/run.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/bench/scale/load.h"
#include "client/bench/scale/outcome.h"
#include "client/render/log_tail.h"
#include "client/slurm/wait.h"
#include "worker/child.h"

enum { LOOK_MS = 50, TELL_EVERY_MS = 15000, MOST_OWN = 32, PATH_BYTES = PATH_MAX + 64 };

/* A run in progress. */
typedef struct run {
    const df_scale_job *job;
    int workers, depth;
    char self[PATH_MAX], work[PATH_MAX], log[PATH_BYTES];
    char manifest[PATH_BYTES], pictures[PATH_BYTES], traces[PATH_BYTES], trace[PATH_BYTES], runs[PATH_BYTES],
        farm[PATH_BYTES];
    char n_workers[16], n_ranks[16], n_threads[16];
    const char **argv;
} run;

/* files */

df_code df_scale_manifest_write(const char *path, int64_t pictures, bool prompts, df_err *err) {
    static const char *const subjects[] = { "red apple", "ghost",      "tiger face", "rocket",
                                            "sunflower", "blue heart", "octopus",    "pizza" };
    FILE *f = fopen(path, "we");
    if (!f) return df_err_errno(err, errno, "%s", path);
    for (int64_t i = 0; i < pictures; i++) {
        fputc('{', f);
        if (prompts) fprintf(f, "\"prompt\": \"%s %lld\", ", subjects[i % 8], (long long)i + 1);
        fprintf(f, "\"seed\": %lld}\n", (long long)i);
    }
    bool failed = ferror(f);
    return fclose(f) || failed ? df_err_errno(err, errno, "%s", path) : DF_OK;
}

static df_code name_files(run *r, int number, df_err *err) {
    const char *out = r->job->options->out;
    char *at = realpath(out, NULL);
    if (!at) return df_err_errno(err, errno, "%s", out);
    /* Of our own: jobs of an interrupted run may not have noticed yet that they were cancelled. */
    int n = snprintf(r->work, sizeof r->work, "%s/work/%dx%d-%d.%d", at, r->workers, r->depth, number, (int)getpid());
    snprintf(r->log, sizeof r->log, "%s/logs/%dx%d-%d.log", at, r->workers, r->depth, number);
    free(at);
    if (n >= PATH_MAX - 32) return df_err_set(err, DF_ELIMIT, "%s: path too long", out);
    snprintf(r->manifest, sizeof r->manifest, "%s/manifest.jsonl", r->work);
    snprintf(r->pictures, sizeof r->pictures, "%s/pictures", r->work);
    snprintf(r->runs, sizeof r->runs, "%s/pictures/runs.jsonl", r->work);
    snprintf(r->traces, sizeof r->traces, "%s/traces", r->work);
    snprintf(r->trace, sizeof r->trace, "%s/traces/trace.json", r->work);
    snprintf(r->farm, sizeof r->farm, "%s/farm", r->work);
    return DF_OK;
}

static df_code prepare(run *r, int64_t pictures, df_err *err) {
    char logs[PATH_BYTES];
    snprintf(logs, sizeof logs, "%.*s", (int)(strrchr(r->log, '/') - r->log), r->log);
    df_code rc = df_file_remove_tree(r->work, err);
    if (!rc) rc = df_file_mkdirs(r->traces, err);
    if (!rc) rc = df_file_mkdirs(logs, err);
    if (!rc && unlink(r->log) && errno != ENOENT) rc = df_err_errno(err, errno, "%s", r->log);
    return rc ? rc : df_scale_manifest_write(r->manifest, pictures, r->job->prompts, err);
}

/* command */

static int add(run *r, int n, const char *const *words) {
    for (; *words; words++) r->argv[n++] = *words;
    return n;
}

static int add_render(run *r, int n) {
    const char *words[] = { r->self,    "render",    r->manifest,  "-m",         r->job->options->model,
                            "-o",       r->pictures, "--workers",  r->n_workers, "--pipeline",
                            r->n_ranks, "--threads", r->n_threads, "--trace",    r->trace,
                            "--output", "text",      NULL };
    return add(r, n, words);
}

static int add_slurm(run *r, int n) {
    const df_scale_options *o = r->job->options;
    const char *words[] = { r->self,     "slurm",   "submit",     r->manifest,  "-m",       o->model, "-o",
                            r->pictures, "--nodes", r->n_workers, "--pipeline", r->n_ranks, "--time", o->time,
                            "--farm",    r->farm,   "--traces",   r->traces,    "--wait",   NULL };
    const char *site[] = { "--site", o->site, NULL }, *end[] = { "--", NULL };
    n = add(r, n, words);
    if (o->site) n = add(r, n, site);
    return add(r, n, end);
}

static df_code make_command(run *r, df_err *err) {
    const df_scale_options *o = r->job->options;
    r->argv = calloc((size_t)o->n_render + MOST_OWN, sizeof *r->argv);
    if (!r->argv) return df_err_set(err, DF_ENOMEM, "%d options", o->n_render);
    snprintf(r->n_workers, sizeof r->n_workers, "%d", r->workers);
    snprintf(r->n_ranks, sizeof r->n_ranks, "%d", r->depth);
    snprintf(r->n_threads, sizeof r->n_threads, "%d", o->threads);
    int n = o->slurm ? add_slurm(r, 0) : add_render(r, 0);
    for (int i = 0; i < o->n_render; i++) r->argv[n++] = o->render[i];
    return df_child_self(r->self, sizeof r->self, err);
}

void df_scale_command_print(FILE *to, const df_scale_job *job, int workers, int depth) {
    run r = { .job = job,
              .workers = workers,
              .depth = depth,
              .manifest = "MANIFEST",
              .pictures = "OUT/work/pictures",
              .traces = "OUT/work/traces",
              .trace = "OUT/work/traces/trace.json",
              .farm = "OUT/work/farm" };
    if (!make_command(&r, NULL)) {
        snprintf(r.self, sizeof r.self, "diffarm");
        for (const char **a = r.argv; *a; a++) fprintf(to, "%s%s", a == r.argv ? "  " : " ", *a);
        fputc('\n', to);
    }
    free(r.argv);
}

/* the child */

/* What the farm says of its job now and then, handed on in a long run. */
static void tell_progress(const run *r, int64_t *tell_at_ms) {
    char line[400];
    if (r->job->options->output == DF_OUTPUT_QUIET || df_clock_ms() < *tell_at_ms) return;
    *tell_at_ms = df_clock_ms() + TELL_EVERY_MS;
    if (strstr(df_log_tail(r->log, line, sizeof line), " pictures, ")) fprintf(stderr, "  %s\n", line);
}

/* Our end is the child's: `render` stops its farm, what it had begun is thrown away. */
static df_code wait_for(const run *r, pid_t pid, int *status, df_err *err) {
    const volatile sig_atomic_t *stop = r->job->stop;
    int64_t tell_at_ms = df_clock_ms() + TELL_EVERY_MS;
    bool told = false;
    for (pid_t got = 0; got != pid; df_clock_sleep_ms(LOOK_MS)) {
        if ((got = waitpid(pid, status, WNOHANG)) < 0 && errno != EINTR) return df_err_errno(err, errno, "a run");
        if (got == pid) break;
        tell_progress(r, &tell_at_ms);
        if (*stop && !told) kill(pid, SIGTERM);
        told |= *stop;
    }
    return *stop ? df_err_set(err, DF_ECANCELLED, "interrupted") : DF_OK;
}

static df_code render(run *r, df_err *err) {
    pid_t pid;
    int status = 0;
    char line[400], how[64];
    const df_child_cfg cfg = { .argv = r->argv, .log_path = r->log, .death_signal = SIGTERM };
    df_code rc = df_child_start(&pid, &cfg, err);
    if (!rc) rc = wait_for(r, pid, &status, err);
    if (rc || !status) return rc;
    df_log_tail(r->log, line, sizeof line);
    return df_err_set(err, DF_EUNREACHABLE, "%s (%s)", line[0] ? line : "ended without a word",
                      df_child_status_text(status, how, sizeof how));
}

/* Batch jobs outlive the command that has submitted them: they are let end, or told to, before their folder goes. */
static void end_jobs(const run *r, bool cancel) {
    enum { LET_MS = 120000, MOST_LOG_BYTES = 1 << 24 };
    char ids[4096], *log = NULL;
    size_t bytes;
    df_err err;
    if (df_file_read(r->log, MOST_LOG_BYTES, &log, &bytes, NULL)) return;
    df_slurm_ids(log, ids, sizeof ids);
    free(log);
    if (ids[0] && df_slurm_wait_gone(ids, cancel, LET_MS, &err)) fprintf(stderr, "diffarm: warning: %s\n", err.text);
}

/* what it leaves */

static df_code add_traces(const run *r, df_trace_sum *sum, df_err *err) {
    char path[PATH_BYTES + 256];
    df_code rc = DF_OK;
    DIR *d = opendir(r->traces);
    if (!d) return df_err_errno(err, errno, "%s", r->traces);
    for (struct dirent *e; !rc && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", r->traces, e->d_name);
        rc = df_trace_sum_add(sum, path, err);
        if (rc == DF_ENOTFOUND) rc = DF_OK; /* of a worker that was killed: its time is not in the shares */
    }
    closedir(d);
    return rc;
}

static df_code read_outcome(run *r, df_scale_run *out, df_err *err) {
    df_outcome outcome;
    df_trace_sum sum = { .n_ranks = 0 };
    df_code rc = df_outcome_read(&outcome, r->runs, r->workers, err);
    if (!rc && outcome.n_failed)
        rc = df_err_set(err, DF_EUNREACHABLE, "%lld pictures failed", (long long)outcome.n_failed);
    if (!rc) rc = add_traces(r, &sum, err);
    if (!rc) df_outcome_run(&outcome, &sum, out);
    return rc;
}

static void remove_work(run *r) {
    df_file_remove_tree(r->work, NULL);
    char *slash = strrchr(r->work, '/');
    if (!slash) return;
    *slash = '\0';
    rmdir(r->work); /* if no other run left anything */
}

df_code df_scale_run_once(df_scale_run *out, const df_scale_job *job, int workers, int depth, int64_t pictures,
                          int number, df_err *err) {
    run *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "a run");
    df_scale_run seen = { .others_share = -1 };
    const df_load before = df_load_now();
    int64_t began_ms = df_clock_ms();
    *r = (run) { .job = job, .workers = workers, .depth = depth };
    df_code rc = name_files(r, number, err);
    if (!rc) rc = make_command(r, err);
    if (!rc) rc = prepare(r, pictures, err);
    if (!rc) rc = render(r, err);
    if (job->options->slurm)
        end_jobs(r, rc != DF_OK);
    else
        seen.others_share = df_load_others(&before);
    if (!rc) rc = read_outcome(r, &seen, err);
    seen.wall_seconds = (double)(df_clock_ms() - began_ms) / 1000;
    if (!rc) *out = seen;
    remove_work(r);
    free(r->argv);
    free(r);
    return rc;
}

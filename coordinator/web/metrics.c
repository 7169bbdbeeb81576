#include "coordinator/web/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "coordinator/version.h"

static void head(df_buf *out, const char *name, const char *type, const char *help) {
    df_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(df_buf *out, const char *name, const char *type, const char *help, double value) {
    head(out, name, type, help);
    df_buf_printf(out, "%s %.17g\n", name, value);
}

static void put_jobs(df_buf *out, const df_farm *f) {
    size_t n[DF_JOB_N_STATES] = { 0 };
    for (size_t i = 0; i < f->jobs.n; i++) n[f->jobs.at[i]->state]++;
    head(out, "diffarm_jobs", "gauge", "Jobs by state.");
    for (int s = 0; s < DF_JOB_N_STATES; s++)
        df_buf_printf(out, "diffarm_jobs{state=\"%s\"} %zu\n", df_job_state_name((df_job_state)s), n[s]);
}

static void put_workers(df_buf *out, const df_farm *f) {
    size_t n[DF_WORKER_N_STATES] = { 0 };
    for (size_t i = 0; i < f->workers.n; i++) n[f->workers.at[i]->state]++;
    head(out, "diffarm_workers", "gauge", "Workers by state.");
    for (int s = 0; s < DF_WORKER_N_STATES; s++)
        df_buf_printf(out, "diffarm_workers{state=\"%s\"} %zu\n", df_worker_state_name((df_worker_state)s), n[s]);
}

static void put_sums(df_buf *out, const df_farm *f) {
    double done = 0, failed = 0, retried = 0, duplicates = 0, conflicts = 0, leased = 0, pending = 0, rate = 0;
    for (size_t i = 0; i < f->jobs.n; i++) {
        const df_job *job = f->jobs.at[i];
        done += (double)job->n_done;
        failed += (double)job->n_failed;
        retried += (double)job->n_retried;
        duplicates += (double)job->n_duplicates;
        conflicts += (double)job->n_conflicts;
        if (!df_job_is_live(job)) continue;
        leased += (double)job->n_leased;
        pending += (double)df_job_pending(job);
        rate += df_rate_per_second(&job->rate, f->now_ms);
    }
    one(out, "diffarm_images_committed_total", "counter", "Pictures committed, over all jobs in the store.", done);
    one(out, "diffarm_images_retried_total", "counter", "Tries that failed and were followed by another.", retried);
    one(out, "diffarm_results_duplicate_total", "counter", "Late results that were dropped.", duplicates);
    one(out, "diffarm_results_conflict_total", "counter",
        "Late results with other bytes than the committed ones: must stay 0.", conflicts);
    one(out, "diffarm_images_failed", "gauge", "Pictures that are given up, over all jobs in the store.", failed);
    one(out, "diffarm_images_leased", "gauge", "Pictures in work.", leased);
    one(out, "diffarm_images_pending", "gauge", "Pictures not yet lent, of running jobs.", pending);
    one(out, "diffarm_images_per_second", "gauge", "Pictures committed a second, over the last minute.", rate);
}

static void put_flagged(df_buf *out, const df_farm *f) {
    df_job sum = { 0 };
    for (size_t i = 0; i < f->jobs.n; i++) df_job_count_flagged(&sum, &f->jobs.at[i]->flagged);
    const struct {
        const char *flag;
        uint64_t n;
    } counts[] = { { "flat", sum.flagged.n_flat },
                   { "duplicate", sum.flagged.n_duplicate },
                   { "made_in_f32", sum.flagged.n_made_in_f32 },
                   { "nan", sum.flagged.n_nan } };
    head(out, "diffarm_images_flagged", "gauge",
         "Pictures to look at by flag, over all jobs in the store; nan: failed.");
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        df_buf_printf(out, "diffarm_images_flagged{flag=\"%s\"} %" PRIu64 "\n", counts[k].flag, counts[k].n);
}

/* Of jobs that run, so that the number of series does not grow with the store. */
static void put_live_jobs(df_buf *out, const df_farm *f) {
    head(out, "diffarm_job_images", "gauge", "Pictures of a running job by state.");
    for (size_t i = 0; i < f->jobs.n; i++) {
        const df_job *job = f->jobs.at[i];
        if (!df_job_is_live(job)) continue;
        const struct {
            const char *state;
            uint64_t n;
        } counts[] = { { "done", job->n_done },
                       { "failed", job->n_failed },
                       { "leased", job->n_leased },
                       { "pending", df_job_pending(job) } };
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            df_buf_printf(out, "diffarm_job_images{job=\"%s\",state=\"%s\"} %" PRIu64 "\n", job->spec.job_id,
                          counts[k].state, counts[k].n);
    }
}

static double seconds_of(const struct timeval *t) {
    return (double)t->tv_sec + (double)t->tv_usec * 1e-6;
}

static double resident_bytes(void) {
    unsigned long long total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2) resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(df_buf *out) {
    struct rusage used = { 0 };
    getrusage(RUSAGE_SELF, &used);
    one(out, "process_cpu_seconds_total", "counter", "CPU time of the coordinator since it was started.",
        seconds_of(&used.ru_utime) + seconds_of(&used.ru_stime));
    one(out, "process_resident_memory_bytes", "gauge", "Resident memory of the coordinator.", resident_bytes());
}

char *df_metrics_text(const df_farm *f) {
    df_buf out = { 0 };
    head(&out, "diffarm_build_info", "gauge", "1, with the version.");
    df_buf_printf(&out, "diffarm_build_info{software=\"" DF_COORDINATOR_SOFTWARE "\"} 1\n");
    one(&out, "diffarm_uptime_seconds", "gauge", "Since the coordinator was started.",
        (double)(f->now_ms - f->opened_ms) / 1000);
    put_jobs(&out, f);
    put_workers(&out, f);
    put_sums(&out, f);
    put_flagged(&out, f);
    put_live_jobs(&out, f);
    one(&out, "diffarm_leases", "gauge", "Leases.", (double)f->leases.n);
    one(&out, "diffarm_rows_copied_total", "counter", "Rows of slow workers lent once more, since the start.",
        (double)f->n_copied);
    one(&out, "diffarm_results_waiting_bytes", "gauge", "Pictures that wait for OUT to be writable.",
        (double)f->results_bytes);
    one(&out, "diffarm_store_failing", "gauge", "1 while the state folder cannot be written.",
        f->store_problem[0] ? 1 : 0);
    one(&out, "diffarm_bad_messages_total", "counter", "Messages refused since the start.", (double)f->n_bad_messages);
    put_process(&out);
    if (!out.failed) return out.data;
    df_buf_free(&out);
    return NULL;
}

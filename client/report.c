#include "client/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"

bool df_job_ended(const Diffarm__JobStatus *j) {
    return !strcmp(j->state, "done") || !strcmp(j->state, "cancelled") || !strcmp(j->state, "failed");
}

bool df_job_succeeded(const Diffarm__JobStatus *j) {
    return !strcmp(j->state, "done") && !j->n_failed;
}

char *df_report_duration(char *out, size_t out_bytes, double seconds) {
    long s = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (long)(seconds + 0.5);
    if (s < 60)
        snprintf(out, out_bytes, "%ld s", s);
    else if (s < 3600)
        snprintf(out, out_bytes, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, out_bytes, "%ld h %02ld min", s / 3600, s / 60 % 60);
    return out;
}

void df_report_print_json(json_t *v) {
    char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(8));
    if (text) puts(text);
    free(text);
    json_decref(v);
}

static json_t *failures_json(const Diffarm__JobStatus *j) {
    json_t *all = json_array();
    for (size_t i = 0; i < j->n_failures; i++) {
        const Diffarm__Failure *f = j->failures[i];
        json_array_append_new(all, json_pack("{s:I, s:I, s:s, s:i}", "row", (json_int_t)f->row, "line",
                                             (json_int_t)f->line, "error", f->error, "attempts", (int)f->attempts));
    }
    return all;
}

static json_t *flagged_json(const Diffarm__Flagged *n) {
    static const Diffarm__Flagged none = DIFFARM__FLAGGED__INIT;
    if (!n) n = &none;
    return json_pack("{s:I, s:I, s:I, s:I}", "flat", (json_int_t)n->n_flat, "duplicate", (json_int_t)n->n_duplicate,
                     "made_in_f32", (json_int_t)n->n_made_in_f32, "nan", (json_int_t)n->n_nan);
}

static void flagged_text(FILE *to, const Diffarm__Flagged *n) {
    if (!n || !(n->n_flat + n->n_duplicate + n->n_made_in_f32 + n->n_nan)) return;
    fprintf(to,
            "flagged   %" PRIu64 " flat, %" PRIu64 " duplicate, %" PRIu64 " made in f32, %" PRIu64 " failed as NaN\n",
            n->n_flat, n->n_duplicate, n->n_made_in_f32, n->n_nan);
}

json_t *df_report_job_json(const Diffarm__JobStatus *j) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:i, s:o, s:I, s:I, s:i, s:o}", //
                     "job_id", j->job_id, "title", j->title, "state", j->state, "out", j->out_dir, //
                     "images", (json_int_t)j->n_rows, "done", (json_int_t)j->n_done, "failed", (json_int_t)j->n_failed,
                     "leased", (json_int_t)j->n_leased, //
                     "progress", j->steps_done, "images_per_second", j->images_per_second, "eta_seconds",
                     j->eta_seconds, //
                     "problem", j->problem, "workers", (int)j->n_workers, "failures", failures_json(j), "retried",
                     (json_int_t)j->n_retried, "duplicates", (json_int_t)j->n_duplicates, "priority", (int)j->priority,
                     "flagged", flagged_json(j->flagged));
}

void df_report_failures_text(FILE *to, const Diffarm__JobStatus *j) {
    for (size_t i = 0; i < j->n_failures; i++) {
        const Diffarm__Failure *f = j->failures[i];
        fprintf(to, "  line %" PRIu64 " (picture %" PRIu64 "): %s\n", f->line, f->row, f->error);
    }
    if (j->n_failed > j->n_failures)
        fprintf(to, "  and %" PRIu64 " more, all in failures.jsonl\n", j->n_failed - (uint64_t)j->n_failures);
}

void df_report_job_text(FILE *to, const Diffarm__JobStatus *j) {
    char eta[40];
    fprintf(to, "job       %s\ntitle     %s\nstate     %s\nout       %s\n", j->job_id, j->title, j->state, j->out_dir);
    fprintf(to, "pictures  %" PRIu64 " of %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64 " in work\n", j->n_done,
            j->n_rows, j->n_failed, j->n_leased);
    if (j->priority) fprintf(to, "priority  %d\n", j->priority);
    flagged_text(to, j->flagged);
    if (!df_job_ended(j)) {
        fprintf(to, "speed     %.2f images/s, %u worker%s\n", j->images_per_second, j->n_workers,
                j->n_workers == 1 ? "" : "s");
        if (j->eta_seconds >= 0) fprintf(to, "left      %s\n", df_report_duration(eta, sizeof eta, j->eta_seconds));
    }
    if (j->problem[0]) fprintf(to, "problem   %s\n", j->problem);
    if (j->n_failed) fprintf(to, "failures\n");
    df_report_failures_text(to, j);
}

void df_report_jobs_text(FILE *to, const Diffarm__JobList *list) {
    if (!list->n_jobs) {
        fprintf(to, "no jobs\n");
        return;
    }
    fprintf(to, "%-16s  %-10s  %21s  %7s  %s\n", "JOB", "STATE", "DONE/PICTURES", "FAILED", "OUT");
    for (size_t i = 0; i < list->n_jobs; i++) {
        const Diffarm__JobStatus *j = list->jobs[i];
        char progress[48];
        snprintf(progress, sizeof progress, "%" PRIu64 "/%" PRIu64, j->n_done, j->n_rows);
        fprintf(to, "%-16s  %-10s  %21s  %7" PRIu64 "  %s\n", j->job_id, j->state, progress, j->n_failed, j->out_dir);
        if (j->problem[0]) fprintf(to, "%-16s  %s\n", "", j->problem);
    }
}

json_t *df_report_worker_json(const Diffarm__WorkerStatus *w) {
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:f, s:i, s:I, s:s}", "worker_id", w->worker_id, "name",
                     w->name, "state", w->state, "pipeline", (int)w->pipeline_ranks, "threads", (int)w->threads, "done",
                     (json_int_t)w->n_done, "failed", (json_int_t)w->n_failed, "images_per_second",
                     w->images_per_second, "leased", (int)w->rows_leased, "silent_ms", (json_int_t)w->silent_ms,
                     "reason", w->reason);
}

void df_report_workers_text(FILE *to, const Diffarm__WorkerList *list) {
    if (!list->n_workers) {
        fprintf(to, "no workers\n");
        return;
    }
    fprintf(to, "%-28s  %-10s  %5s  %7s  %8s  %6s  %8s  %6s\n", "WORKER", "STATE", "RANKS", "THREADS", "DONE", "FAILED",
            "IMAGES/S", "LEASED");
    for (size_t i = 0; i < list->n_workers; i++) {
        const Diffarm__WorkerStatus *w = list->workers[i];
        fprintf(to, "%-28s  %-10s  %5u  %7u  %8" PRIu64 "  %6" PRIu64 "  %8.2f  %6u\n", w->name, w->state,
                w->pipeline_ranks, w->threads, w->n_done, w->n_failed, w->images_per_second, w->rows_leased);
        if (w->reason[0]) fprintf(to, "%-28s  %s\n", "", w->reason);
    }
}

int df_report_ended(const Diffarm__JobStatus *j, df_output output) {
    if (output == DF_OUTPUT_JSON) {
        df_report_print_json(df_report_job_json(j));
    } else if (j->n_failed) {
        fprintf(stderr, "diffarm: %llu of %llu pictures failed:\n", (unsigned long long)j->n_failed,
                (unsigned long long)j->n_rows);
        df_report_failures_text(stderr, j);
    }
    if (!strcmp(j->state, "cancelled")) fprintf(stderr, "diffarm: the job was cancelled\n");
    return df_job_succeeded(j) ? DF_EXIT_OK : DF_EXIT_SOME_FAILED;
}

#include "coordinator/web/state_json.h"

#include <string.h>

#include "base/clock.h"
#include "coordinator/version.h"

/* A prompt may be long; the page shows its beginning. */
enum { SHOWN_PROMPT_BYTES = 300 };

static json_t *cut(const char *text) {
    size_t n = strlen(text);
    if (n > SHOWN_PROMPT_BYTES)
        for (n = SHOWN_PROMPT_BYTES; n && ((unsigned char)text[n] & 0xc0) == 0x80;) n--; /* not inside a character */
    return json_stringn(text, n);
}

static json_t *history_of(const df_job_history *h) {
    json_t *points = json_array();
    for (size_t i = 0; h && i < h->done.n; i++) json_array_append_new(points, json_real(h->done.at[i]));
    return json_pack("{s:f, s:o}", "step_s", h ? (double)h->done.step_ms / 1000 : 1.0, "done", points);
}

static json_t *failures_of(const Diffarm__JobStatus *s) {
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_failures; i++)
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:s, s:i, s:o}", "row", (json_int_t)s->failures[i]->row, "line",
                                        (json_int_t)s->failures[i]->line, "error", s->failures[i]->error, "attempts",
                                        (int)s->failures[i]->attempts, "prompt", cut(s->failures[i]->prompt)));
    return list;
}

static json_t *flagged_of(const df_job_flagged *n) {
    return json_pack("{s:I, s:I, s:I, s:I}", "flat", (json_int_t)n->n_flat, "duplicate", (json_int_t)n->n_duplicate,
                     "made_in_f32", (json_int_t)n->n_made_in_f32, "nan", (json_int_t)n->n_nan);
}

json_t *df_state_json_job(const df_job *job, const Diffarm__JobStatus *s, const df_job_history *history) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I,"
                     " s:o, s:o, s:o}",
                     "id", s->job_id, "title", s->title, "state", s->state, "out", s->out_dir, //
                     "images", (json_int_t)s->n_rows, "done", (json_int_t)s->n_done, "failed", (json_int_t)s->n_failed,
                     "leased", (json_int_t)s->n_leased, //
                     "progress", s->steps_done, "images_per_second", s->images_per_second, "eta_seconds",
                     s->eta_seconds, //
                     "workers", (int)s->n_workers, "problem", s->problem, "model", job->spec.model_name, "dtype",
                     job->spec.dtype, "format", job->spec.format, //
                     "retried", (json_int_t)s->n_retried, "duplicates", (json_int_t)s->n_duplicates, "conflicts",
                     (json_int_t)s->n_conflicts, //
                     "flagged", flagged_of(&job->flagged), "history", history_of(history), "failures", failures_of(s));
}

json_t *df_state_json_worker(const Diffarm__WorkerStatus *s) {
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:f, s:i, s:I}", "id", s->worker_id, "name", s->name, "state",
                     s->state, "ranks", (int)s->pipeline_ranks, "threads", (int)s->threads, "done",
                     (json_int_t)s->n_done, "failed", (json_int_t)s->n_failed, "images_per_second",
                     s->images_per_second, "leased", (int)s->rows_leased, "silent_ms", (json_int_t)s->silent_ms);
}

json_t *df_state_json_picture(const df_job *job, const df_stored_row *row) {
    return json_pack("{s:s, s:I, s:o, s:I, s:i, s:i, s:f, s:s}", "job", job->spec.job_id, "row",
                     (json_int_t)row->is.row, "prompt", cut(row->is.prompt), "seed", (json_int_t)row->is.seed, "width",
                     (int)row->is.width, "height", (int)row->is.height, "seconds", row->seconds, "sha256",
                     row->png_sha256);
}

json_t *df_state_json_farm(const df_farm *f, json_t **jobs, json_t **workers, json_t *pictures, int64_t now_ms) {
    char stamp[DF_CLOCK_STAMP_BYTES];
    json_t *state = json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:i, s:o, s:o, s:o}", //
                              "software", DF_COORDINATOR_SOFTWARE, "start", f->id, "time",
                              df_clock_stamp(df_clock_wall_ms(), stamp), "store_problem", f->store_problem, //
                              "uptime_s", (double)(now_ms - f->opened_ms) / 1000, "n_jobs", (int)f->jobs.n, "n_workers",
                              (int)f->workers.n, "n_leases", (int)f->leases.n, //
                              "jobs", *jobs, "workers", *workers, "pictures", pictures);
    *jobs = *workers = NULL;
    return state;
}

#include "coordinator/web/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "coordinator/tar_shard.h"
#include "coordinator/web/history.h"
#include "coordinator/web/metrics.h"
#include "coordinator/web/state_json.h"

struct df_watch {
    df_farm *farm; /* borrowed */
    df_web *web;
    int64_t next_ms;
    df_job_history histories[DF_WATCH_JOBS];
    size_t n_histories;
};

/* which jobs */

/* Jobs that still run, then the latest of the others; newest first. */
static size_t choose_jobs(const df_farm *f, const df_job *jobs[DF_WATCH_JOBS]) {
    size_t n = 0;
    for (int live = 1; live >= 0; live--)
        for (size_t i = f->jobs.n; i-- > 0 && n < DF_WATCH_JOBS;) {
            const df_job *job = f->jobs.at[i];
            bool ended = job->state == DF_JOB_DONE || job->state == DF_JOB_CANCELLED;
            if (ended != (live != 0)) jobs[n++] = job;
        }
    return n;
}

static df_job_history *find_history(df_watch *w, const df_job *job) {
    for (size_t i = 0; i < w->n_histories; i++)
        if (!strcmp(w->histories[i].job_id, job->spec.job_id)) return &w->histories[i];
    return NULL;
}

static bool is_among(const char *job_id, const df_job *const *jobs, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(jobs[i]->spec.job_id, job_id)) return true;
    return false;
}

static void keep_histories(df_watch *w, const df_job *const *jobs, size_t n, int64_t now_ms) {
    for (size_t i = w->n_histories; i-- > 0;)
        if (!is_among(w->histories[i].job_id, jobs, n)) w->histories[i] = w->histories[--w->n_histories];
    for (size_t i = 0; i < n; i++) {
        df_job_history *h = find_history(w, jobs[i]);
        if (!h) {
            h = &w->histories[w->n_histories++]; /* at most one for each of the jobs: there is room */
            *h = (df_job_history) { 0 };
            memcpy(h->job_id, jobs[i]->spec.job_id, sizeof h->job_id);
        }
        bool over = jobs[i]->state == DF_JOB_DONE || jobs[i]->state == DF_JOB_CANCELLED;
        if (!over || !h->over) df_history_add(&h->done, now_ms, (double)jobs[i]->n_done);
        h->over = over;
    }
}

/* pictures */

static void path_of(const df_job *job, const df_stored_row *row, char path[DF_ROW_PATH_BYTES]) {
    if (df_job_is_tar(job))
        df_tar_shard_loose(path, row->is.row);
    else
        df_row_path(path, row->is.row, row->is.name);
}

static bool add_picture(df_view *view, const df_job *job, const df_stored_row *row) {
    char path[DF_ROW_PATH_BYTES];
    df_view_picture *p = &view->pictures[view->n_pictures];
    path_of(job, row, path);
    *p = (df_view_picture) { .row = row->is.row, .out_dir = strdup(job->spec.out_dir), .path = strdup(path) };
    memcpy(p->job_id, job->spec.job_id, sizeof p->job_id);
    memccpy(p->png_sha256, row->png_sha256, '\0', sizeof p->png_sha256 - 1);
    view->n_pictures++; /* from here on the view frees it */
    return p->out_dir && p->path;
}

static json_t *newest_pictures(const df_farm *f, df_view *view, df_arena *arena) {
    json_t *list = json_array();
    for (size_t i = 0; i < DF_FARM_RECENT && i < f->n_recent; i++) {
        const df_farm_recent *recent = &f->recent[(f->n_recent - 1 - i) % DF_FARM_RECENT];
        df_stored_row row;
        if (df_store_read_row(f->store, recent->job->key, recent->row, arena, &row, NULL)) continue;
        if (!add_picture(view, recent->job, &row)) break;
        json_array_append_new(list, df_state_json_picture(recent->job, &row));
    }
    return list;
}

/* the view */

static char *event_of(const json_t *state, size_t *bytes) {
    df_buf out = { 0 };
    char *text = state ? json_dumps(state, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (text) df_buf_printf(&out, "data: %s\n\n", text);
    free(text);
    if (out.failed) df_buf_free(&out);
    *bytes = out.len;
    return out.data;
}

static bool fill(df_watch *w, df_view *view, df_arena *arena) {
    const df_job *jobs[DF_WATCH_JOBS];
    size_t n = choose_jobs(w->farm, jobs);
    keep_histories(w, jobs, n, view->made_ms);
    json_t *job_list = json_array(), *worker_list = json_array();
    for (size_t i = 0; i < n; i++) {
        const Diffarm__JobStatus *status = df_farm_job_status(w->farm, jobs[i], arena);
        if (status) json_array_append_new(job_list, df_state_json_job(jobs[i], status, find_history(w, jobs[i])));
    }
    df_farm_count_open(w->farm, NULL);
    for (size_t i = 0; i < w->farm->workers.n && i < DF_WATCH_WORKERS; i++) {
        Diffarm__WorkerStatus status;
        df_farm_worker_status(w->farm, w->farm->workers.at[i], &status);
        json_array_append_new(worker_list, df_state_json_worker(&status));
    }
    json_t *state =
        df_state_json_farm(w->farm, &job_list, &worker_list, newest_pictures(w->farm, view, arena), view->made_ms);
    view->event = event_of(state, &view->event_bytes);
    view->metrics = df_metrics_text(w->farm);
    view->metrics_bytes = view->metrics ? strlen(view->metrics) : 0;
    json_decref(state);
    return view->event && view->metrics;
}

void df_watch_turn(df_watch *w, int64_t now_ms) {
    if (!w || now_ms < w->next_ms) return;
    w->next_ms = now_ms + DF_WATCH_EVERY_MS;
    df_view *view = df_view_new();
    df_arena *arena = df_arena_new();
    if (view) view->made_ms = now_ms;
    if (view && arena && fill(w, view, arena)) df_web_publish(w->web, &view); /* else: again in a second */
    df_view_drop(&view);
    df_arena_free(&arena);
}

df_code df_watch_open(df_watch **out, const df_web_cfg *cfg, df_farm *farm, df_err *err) {
    df_watch *w = calloc(1, sizeof *w);
    if (!w) return df_err_set(err, DF_ENOMEM, "the web page");
    w->farm = farm;
    df_code rc = df_web_open(&w->web, cfg, err);
    if (rc) {
        free(w);
        return rc;
    }
    df_log_event(cfg->log, DF_LOG_INFO, "web", "url=%s", df_web_url(w->web));
    *out = w;
    return DF_OK;
}

void df_watch_close(df_watch **w) {
    if (!*w) return;
    df_web_close(&(*w)->web);
    free(*w);
    *w = NULL;
}

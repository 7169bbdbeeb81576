#include "coordinator/job.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/out_lists.h"
#include "coordinator/tar_shard.h"

typedef struct edge {
    df_job_state from;
    df_job_event event;
    df_job_state to;
} edge;

static const edge edges[] = {
    /* docs/protocol.md, section "life of a job" */
    { DF_JOB_RECEIVING, DF_JOB_EV_UPLOADED, DF_JOB_RUNNING },
    { DF_JOB_RUNNING, DF_JOB_EV_SINK_FAILED, DF_JOB_STALLED },
    { DF_JOB_STALLED, DF_JOB_EV_SINK_FAILED, DF_JOB_STALLED },
    { DF_JOB_STALLED, DF_JOB_EV_SINK_WORKS, DF_JOB_RUNNING },
    { DF_JOB_RUNNING, DF_JOB_EV_ROWS_FINISHED, DF_JOB_FINISHING },
    { DF_JOB_FINISHING, DF_JOB_EV_SINK_FAILED, DF_JOB_STALLED },
    { DF_JOB_FINISHING, DF_JOB_EV_LISTS_WRITTEN, DF_JOB_DONE },
    { DF_JOB_RUNNING, DF_JOB_EV_CANCEL, DF_JOB_CANCELLED },
    { DF_JOB_STALLED, DF_JOB_EV_CANCEL, DF_JOB_CANCELLED },
    { DF_JOB_FINISHING, DF_JOB_EV_CANCEL, DF_JOB_CANCELLED },
    { DF_JOB_CANCELLED, DF_JOB_EV_CANCEL, DF_JOB_CANCELLED },
    { DF_JOB_RUNNING, DF_JOB_EV_PAUSE, DF_JOB_PAUSED },
    { DF_JOB_STALLED, DF_JOB_EV_PAUSE, DF_JOB_PAUSED },
    { DF_JOB_PAUSED, DF_JOB_EV_PAUSE, DF_JOB_PAUSED },
    { DF_JOB_PAUSED, DF_JOB_EV_RESUME, DF_JOB_RUNNING },
    { DF_JOB_RUNNING, DF_JOB_EV_RESUME, DF_JOB_RUNNING },
    { DF_JOB_STALLED, DF_JOB_EV_RESUME, DF_JOB_STALLED },
    { DF_JOB_PAUSED, DF_JOB_EV_CANCEL, DF_JOB_CANCELLED },
    /* What is in work still comes in, so OUT may still fail; the job stays paused all the same. */
    { DF_JOB_PAUSED, DF_JOB_EV_SINK_FAILED, DF_JOB_PAUSED },
    { DF_JOB_PAUSED, DF_JOB_EV_SINK_WORKS, DF_JOB_PAUSED },
    { DF_JOB_RUNNING, DF_JOB_EV_RETRY, DF_JOB_RUNNING },
    { DF_JOB_STALLED, DF_JOB_EV_RETRY, DF_JOB_STALLED },
    { DF_JOB_PAUSED, DF_JOB_EV_RETRY, DF_JOB_PAUSED },
    { DF_JOB_FINISHING, DF_JOB_EV_RETRY, DF_JOB_RUNNING },
    { DF_JOB_DONE, DF_JOB_EV_RETRY, DF_JOB_RUNNING },
};

const char *df_job_state_name(df_job_state state) {
    static const char *const names[DF_JOB_N_STATES] = {
        "receiving", "running", "stalled", "finishing", "done", "cancelled", "paused",
    };
    return state < DF_JOB_N_STATES ? names[state] : "?";
}

bool df_job_apply(df_job *job, df_job_event event) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        if (edges[i].from == job->state && edges[i].event == event) {
            job->state = edges[i].to;
            return true;
        }
    return false;
}

const char *const df_job_backends[] = { "", "cuda", "reference", "any" };
const int df_job_n_backends = sizeof df_job_backends / sizeof *df_job_backends;

int df_job_backend_of(const char *name) {
    if (!strcmp(name, "cpu")) return 0;
    for (int i = 0; i < df_job_n_backends; i++)
        if (!strcmp(name, df_job_backends[i])) return i;
    return -1;
}

/* one job */

static bool copy_spec(df_job *job, const df_job_spec *spec) {
    job->spec = *spec;
    const char **strings[] = {
        &job->spec.job_id,     &job->spec.title,           &job->spec.out_dir,      &job->spec.model_path,
        &job->spec.model_name, &job->spec.model_sha256,    &job->spec.dtype,        &job->spec.noise,
        &job->spec.format,     &job->spec.manifest_sha256, &job->spec.model_config, &job->spec.backend,
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!(*strings[i] = df_arena_strdup(job->arena, *strings[i] ? *strings[i] : ""))) return false;
    return true;
}

df_job *df_job_new(const df_job_spec *spec) {
    df_job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->arena = df_arena_new();
    if (!job->arena || !copy_spec(job, spec)) df_job_free(&job);
    return job;
}

void df_job_free(df_job **job) {
    if (!job || !*job) return;
    df_out_lists_close(&(*job)->lists);
    df_tar_shard_close(&(*job)->shard);
    df_arena_free(&(*job)->arena);
    free(*job);
    *job = NULL;
}

bool df_job_is_tar(const df_job *job) {
    return !strcmp(job->spec.format, "tar");
}

bool df_job_keeps_pictures(const df_job *job) {
    return strcmp(job->spec.format, "none") != 0;
}

bool df_job_is_live(const df_job *job) {
    return job->state == DF_JOB_RUNNING || job->state == DF_JOB_STALLED || job->state == DF_JOB_FINISHING ||
           job->state == DF_JOB_PAUSED;
}

uint64_t df_job_pending(const df_job *job) {
    return job->n_rows - job->n_done - job->n_failed - job->n_leased;
}

void df_job_count_flagged(df_job *job, const df_job_flagged *more) {
    job->flagged.n_flat += more->n_flat;
    job->flagged.n_duplicate += more->n_duplicate;
    job->flagged.n_made_in_f32 += more->n_made_in_f32;
    job->flagged.n_nan += more->n_nan;
}

/* all jobs */

bool df_job_table_add(df_job_table *table, df_job *job) {
    if (table->n == table->cap) {
        size_t cap = table->cap ? 2 * table->cap : 16;
        df_job **at = realloc(table->at, cap * sizeof *at);
        if (!at) return false;
        table->at = at;
        table->cap = cap;
    }
    if (!df_map_put(&table->by_id, job->spec.job_id, strlen(job->spec.job_id), job)) return false;
    table->at[table->n++] = job;
    return true;
}

df_job *df_job_table_find(const df_job_table *table, const char *job_id) {
    return df_map_get(&table->by_id, job_id, strlen(job_id));
}

void df_job_table_remove(df_job_table *table, df_job *job) {
    df_map_remove(&table->by_id, job->spec.job_id, strlen(job->spec.job_id));
    for (size_t i = 0; i < table->n; i++)
        if (table->at[i] == job) {
            memmove(table->at + i, table->at + i + 1, (table->n - i - 1) * sizeof *table->at);
            table->n--;
            break;
        }
    df_job_free(&job);
}

void df_job_table_free(df_job_table *table) {
    for (size_t i = 0; i < table->n; i++) df_job_free(&table->at[i]);
    free(table->at);
    df_map_free(&table->by_id);
    *table = (df_job_table) { 0 };
}

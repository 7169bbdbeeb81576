#include "coordinator/store_internal.h"

/* In the file: numbers never change. A job that is stalled or finishing is running there, so that a restart tries again
 * and a full disk need not be written to. */
enum { STORED_RECEIVING = 0, STORED_RUNNING = 1, STORED_DONE = 2, STORED_CANCELLED = 3, STORED_PAUSED = 4 };

static int64_t state_to_file(df_job_state state) {
    switch (state) {
    case DF_JOB_RECEIVING: return STORED_RECEIVING;
    case DF_JOB_DONE: return STORED_DONE;
    case DF_JOB_CANCELLED: return STORED_CANCELLED;
    case DF_JOB_PAUSED: return STORED_PAUSED;
    default: return STORED_RUNNING;
    }
}

static df_job_state state_from_file(int64_t stored) {
    switch (stored) {
    case STORED_RECEIVING: return DF_JOB_RECEIVING;
    case STORED_DONE: return DF_JOB_DONE;
    case STORED_CANCELLED: return DF_JOB_CANCELLED;
    case STORED_PAUSED: return DF_JOB_PAUSED;
    default: return DF_JOB_RUNNING;
    }
}

enum {
    OPTION_NO_T5 = 1,
    OPTION_LONG_PROMPTS = 2,
    OPTION_PROMPT_WEIGHTS = 4,
    OPTION_FAST_CONV = 8,
    OPTION_SHARED_SINK = 256
};

enum { BACKEND_AT = 9, BACKEND_BITS = 15 }; /* in the options: a place in df_job_backends */

static int64_t options_to_file(const df_job_spec *spec) {
    return (spec->no_t5 ? OPTION_NO_T5 : 0) | (spec->long_prompts ? OPTION_LONG_PROMPTS : 0) |
           (spec->prompt_weights ? OPTION_PROMPT_WEIGHTS : 0) | (spec->fast_conv ? OPTION_FAST_CONV : 0) |
           (spec->shared_sink ? OPTION_SHARED_SINK : 0) | (int64_t)df_job_backend_of(spec->backend) << BACKEND_AT;
}

df_code df_store_add_job(df_store *s, df_job *job, df_err *err) {
    const df_job_spec *j = &job->spec;
    df_code rc =
        df_sql_run(&s->db, err,
                   "INSERT INTO jobs (job_id, state, title, out_dir, model_path, model_name, model_sha256,"
                   " dtype, noise, format, micro_batch, manifest_sha256, model_config, options, priority)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "tittttttttittii", j->job_id, state_to_file(job->state), j->title, j->out_dir, j->model_path,
                   j->model_name, j->model_sha256, j->dtype, j->noise, j->format, (int64_t)j->micro_batch,
                   j->manifest_sha256, j->model_config, options_to_file(j), (int64_t)j->priority);
    if (!rc) job->key = sqlite3_last_insert_rowid(s->db.connection);
    return rc;
}

df_code df_store_save_job(df_store *s, const df_job *job, df_err *err) {
    return df_sql_run(&s->db, err,
                      "UPDATE jobs SET state = ?, n_rows = ?, n_done = ?, n_failed = ?, n_retried = ?,"
                      " n_duplicates = ?, n_conflicts = ?, released = ? WHERE key = ?",
                      "iiiiiiiii", state_to_file(job->state), (int64_t)job->n_rows, (int64_t)job->n_done,
                      (int64_t)job->n_failed, (int64_t)job->n_retried, (int64_t)job->n_duplicates,
                      (int64_t)job->n_conflicts, (int64_t)job->released, job->key);
}

df_code df_store_remove_job(df_store *s, int64_t job, df_err *err) {
    df_store_window_forget(s, job);
    df_code rc = df_sql_run(&s->db, err, "DELETE FROM rows WHERE job = ?", "i", job);
    if (!rc) rc = df_sql_run(&s->db, err, "DELETE FROM progress WHERE job = ?", "i", job);
    if (!rc) rc = df_sql_run(&s->db, err, "DELETE FROM leases WHERE job = ?", "i", job);
    if (!rc) rc = df_sql_run(&s->db, err, "DELETE FROM jobs WHERE key = ?", "i", job);
    return rc;
}

/* The rows themselves are the truth about how far a running job is; the job's own counts are written when it ends. */
static df_code count_rows(df_store *s, df_job *job, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, "SELECT state, count(*) FROM progress WHERE job = ? GROUP BY state", "i",
                             job->key);
    job->n_rows = job->n_done = job->n_failed = job->n_leased = 0;
    while (!rc && !(rc = df_sql_next(&q, err)) && q.has_row) {
        uint64_t n = (uint64_t)sqlite3_column_int64(q.stmt, 1);
        int64_t state = sqlite3_column_int64(q.stmt, 0);
        job->n_rows += n;
        if (state == DF_ROW_LEASED) job->n_leased = n;
        if (state == DF_ROW_DONE) job->n_done = n;
        if (state == DF_ROW_FAILED) job->n_failed = n;
    }
    df_sql_end(&q);
    return rc;
}

/* A later program's is none of ours: no worker has it, and the job waits. */
static const char *backend_from_file(int64_t options) {
    int64_t at = options >> BACKEND_AT & BACKEND_BITS;
    return at < df_job_n_backends ? df_job_backends[at] : "?";
}

static df_job *job_of(sqlite3_stmt *stmt) {
    int64_t options = sqlite3_column_int64(stmt, 21);
    df_job_spec spec = {
        .job_id = df_store_text(stmt, 1),
        .title = df_store_text(stmt, 3),
        .out_dir = df_store_text(stmt, 4),
        .model_path = df_store_text(stmt, 5),
        .model_name = df_store_text(stmt, 6),
        .model_sha256 = df_store_text(stmt, 7),
        .dtype = df_store_text(stmt, 8),
        .noise = df_store_text(stmt, 9),
        .format = df_store_text(stmt, 10),
        .micro_batch = (uint32_t)sqlite3_column_int64(stmt, 11),
        .manifest_sha256 = df_store_text(stmt, 12),
        .model_config = df_store_text(stmt, 20),
        .no_t5 = options & OPTION_NO_T5,
        .long_prompts = options & OPTION_LONG_PROMPTS,
        .prompt_weights = options & OPTION_PROMPT_WEIGHTS,
        .fast_conv = options & OPTION_FAST_CONV,
        .shared_sink = options & OPTION_SHARED_SINK,
        .backend = backend_from_file(options),
        .priority = (int)sqlite3_column_int64(stmt, 22),
    };
    df_job *job = df_job_new(&spec);
    if (!job) return NULL;
    job->key = sqlite3_column_int64(stmt, 0);
    job->state = state_from_file(sqlite3_column_int64(stmt, 2));
    job->n_rows = (uint64_t)sqlite3_column_int64(stmt, 13);
    job->n_done = (uint64_t)sqlite3_column_int64(stmt, 14);
    job->n_failed = (uint64_t)sqlite3_column_int64(stmt, 15);
    job->n_retried = (uint64_t)sqlite3_column_int64(stmt, 16);
    job->n_duplicates = (uint64_t)sqlite3_column_int64(stmt, 17);
    job->n_conflicts = (uint64_t)sqlite3_column_int64(stmt, 18);
    job->released = sqlite3_column_int64(stmt, 19) != 0;
    job->flagged = (df_job_flagged) {
        .n_flat = (uint64_t)sqlite3_column_int64(stmt, 23),
        .n_duplicate = (uint64_t)sqlite3_column_int64(stmt, 24),
        .n_made_in_f32 = (uint64_t)sqlite3_column_int64(stmt, 25),
        .n_nan = (uint64_t)sqlite3_column_int64(stmt, 26),
    };
    return job;
}

df_code df_store_load_jobs(df_store *s, df_store_job_fn add, void *ctx, df_err *err) {
    df_sql_query q;
    df_code rc =
        df_sql_open(&q, &s->db, err,
                    "SELECT key, job_id, state, title, out_dir, model_path, model_name, model_sha256, dtype,"
                    " noise, format, micro_batch, manifest_sha256, n_rows, n_done, n_failed, n_retried,"
                    " n_duplicates, n_conflicts, released, model_config, options, priority, n_flat, n_duplicate,"
                    " n_made_in_f32, n_nan"
                    " FROM jobs ORDER BY key",
                    "");
    while (!rc && !(rc = df_sql_next(&q, err)) && q.has_row) {
        df_job *job = job_of(q.stmt);
        if (!job) rc = df_err_set(err, DF_ENOMEM, "a job of %s", s->path);
        if (!rc && df_job_is_live(job)) rc = count_rows(s, job, err);
        if (!rc) rc = add(ctx, job, err);
        if (rc) df_job_free(&job);
    }
    df_sql_end(&q);
    return rc;
}

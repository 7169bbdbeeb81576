#include <stdio.h>
#include <string.h>

#include "coordinator/store_internal.h"

/* writing */

df_code df_store_add_row(df_store *s, int64_t job, const df_row *r, df_err *err) {
    df_code rc = df_sql_run(&s->db, err,
                            "INSERT INTO rows (job, row, line, seed, width, height, steps, guidance, prompt, negative,"
                            " scheduler, task, name, extras) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            "iiiiiiidtttttt", job, (int64_t)r->row, (int64_t)r->line, (int64_t)r->seed,
                            (int64_t)r->width, (int64_t)r->height, (int64_t)r->steps, r->guidance, r->prompt,
                            r->negative, r->scheduler, r->task, r->name, r->extras);
    if (rc) return rc;
    df_store_window_came_back(s, job, r->row);
    return df_sql_run(&s->db, err, "INSERT INTO progress (job, row) VALUES (?, ?)", "ii", job, (int64_t)r->row);
}

df_code df_store_row_done(df_store *s, int64_t job, uint64_t row, const df_row_result *r, df_err *err) {
    df_store_window_lent(s, job, row);
    return df_sql_run(&s->db, err,
                      "UPDATE progress SET state = 2, lease = NULL, png_sha256 = ?, flags = ?, scheduler = ?,"
                      " worker = ?, seconds = ?, finished_ms = ?, pixels = NULLIF(?, 0), attempts = attempts + 1"
                      " WHERE job = ? AND row = ?",
                      "ttttdiiii", r->png_sha256, r->flags, r->scheduler, r->worker, r->seconds, r->finished_ms,
                      (int64_t)r->pixels_hash, job, (int64_t)row);
}

/* One count goes up; what it is then decides between another try and the end. */
static df_code count_up(df_store *s, const char *sql, int64_t job, uint64_t row, int64_t *count, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, sql, "ii", job, (int64_t)row);
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc && !q.has_row) rc = df_err_set(err, DF_EINTERNAL, "row %llu is not in the store", (unsigned long long)row);
    if (!rc) *count = sqlite3_column_int64(q.stmt, 0);
    if (!rc) rc = df_sql_next(&q, err); /* RETURNING: the statement ends only here */
    df_sql_end(&q);
    return rc;
}

static df_code put(df_store *s, int64_t job, uint64_t row, bool failed, const char *worker, const char *error,
                   df_err *err) {
    if (failed)
        df_store_window_lent(s, job, row);
    else
        df_store_window_came_back(s, job, row);
    return df_sql_run(&s->db, err,
                      "UPDATE progress SET state = ?, lease = NULL, worker = ?, error = ? WHERE job = ? AND row = ?",
                      "ittii", (int64_t)(failed ? DF_ROW_FAILED : DF_ROW_PENDING), worker, error, job, (int64_t)row);
}

df_code df_store_row_attempt(df_store *s, int64_t job, uint64_t row, const char *worker, const char *error,
                             bool for_good, int max_attempts, bool *failed, df_err *err) {
    int64_t attempts = 0;
    df_code rc = count_up(s, "UPDATE progress SET attempts = attempts + 1 WHERE job = ? AND row = ? RETURNING attempts",
                          job, row, &attempts, err);
    *failed = for_good || attempts >= max_attempts;
    return rc ? rc : put(s, job, row, *failed, worker, error, err);
}

df_code df_store_row_lost(df_store *s, int64_t job, uint64_t row, const char *worker, int max_losses, bool *failed,
                          df_err *err) {
    int64_t lost = 0;
    char error[64];
    df_code rc = count_up(s, "UPDATE progress SET lost = lost + 1 WHERE job = ? AND row = ? RETURNING lost", job, row,
                          &lost, err);
    *failed = lost >= max_losses;
    snprintf(error, sizeof error, "worker died %lld times on this row", (long long)lost);
    return rc ? rc : put(s, job, row, *failed, worker, error, err);
}

df_code df_store_row_back(df_store *s, int64_t job, uint64_t row, df_err *err) {
    df_store_window_came_back(s, job, row);
    return df_sql_run(&s->db, err, "UPDATE progress SET state = 0, lease = NULL WHERE job = ? AND row = ?", "ii", job,
                      (int64_t)row);
}

df_code df_store_retry_failed(df_store *s, int64_t job, df_err *err) {
    df_code rc = df_sql_run(&s->db, err, "UPDATE jobs SET n_nan = 0 WHERE key = ?", "i", job);
    df_store_window_forget(s, job);
    if (rc) return rc;
    return df_sql_run(&s->db, err,
                      "UPDATE progress SET state = 0, lease = NULL, attempts = 0, lost = 0, worker = NULL, error = NULL"
                      " WHERE job = ? AND state = 3",
                      "i", job);
}

/* reading */

#define ROW_COLUMNS                                                                                                    \
    "SELECT r.row, r.line, r.seed, r.width, r.height, r.steps, r.guidance, r.prompt, r.negative, r.scheduler, r.task," \
    " r.name, p.state, p.attempts, p.lost, p.worker, p.png_sha256, p.flags, p.scheduler, p.seconds, p.finished_ms,"    \
    " p.error, r.extras, CASE p.state WHEN 2 THEN"                                                                     \
    " (SELECT MIN(q.row) FROM progress q WHERE q.job = p.job AND q.pixels = p.pixels) END"                             \
    " FROM rows r JOIN progress p ON p.job = r.job AND p.row = r.row "

static df_stored_row row_of(sqlite3_stmt *stmt) {
    bool has_alike = sqlite3_column_type(stmt, 23) != SQLITE_NULL;
    return (df_stored_row) {
        .is = { .row = (uint64_t)sqlite3_column_int64(stmt, 0),
                .line = (uint64_t)sqlite3_column_int64(stmt, 1),
                .seed = (uint64_t)sqlite3_column_int64(stmt, 2),
                .width = (uint32_t)sqlite3_column_int64(stmt, 3),
                .height = (uint32_t)sqlite3_column_int64(stmt, 4),
                .steps = (uint32_t)sqlite3_column_int64(stmt, 5),
                .guidance = sqlite3_column_double(stmt, 6),
                .prompt = df_store_text(stmt, 7),
                .negative = df_store_text(stmt, 8),
                .scheduler = df_store_text(stmt, 9),
                .task = df_store_text(stmt, 10),
                .name = df_store_text(stmt, 11),
                .extras = df_store_text(stmt, 22) },
        .state = (df_row_state)sqlite3_column_int(stmt, 12),
        .attempts = sqlite3_column_int(stmt, 13),
        .lost = sqlite3_column_int(stmt, 14),
        .worker = df_store_text(stmt, 15),
        .png_sha256 = df_store_text(stmt, 16),
        .flags = df_store_text(stmt, 17),
        .scheduler_used = df_store_text(stmt, 18),
        .seconds = sqlite3_column_double(stmt, 19),
        .finished_ms = sqlite3_column_int64(stmt, 20),
        .error = df_store_text(stmt, 21),
        .first_alike = (uint64_t)sqlite3_column_int64(stmt, has_alike ? 23 : 0),
    };
}

static bool copy_texts(df_stored_row *r, df_arena *arena) {
    const char **texts[] = { &r->is.prompt, &r->is.negative,    &r->is.scheduler, &r->is.task,
                             &r->is.name,   &r->is.extras,      &r->worker,       &r->png_sha256,
                             &r->flags,     &r->scheduler_used, &r->error };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!(*texts[i] = df_arena_strdup(arena, *texts[i]))) return false;
    return true;
}

df_code df_store_read_row(df_store *s, int64_t job, uint64_t row, df_arena *arena, df_stored_row *out, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, ROW_COLUMNS "WHERE r.job = ? AND r.row = ?", "ii", job, (int64_t)row);
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc && !q.has_row) rc = df_err_set(err, DF_ENOTFOUND, "the job has no row %llu", (unsigned long long)row);
    if (!rc) {
        *out = row_of(q.stmt);
        if (!copy_texts(out, arena)) rc = df_err_set(err, DF_ENOMEM, "row %llu", (unsigned long long)row);
    }
    df_sql_end(&q);
    return rc;
}

static df_code each(df_sql_query *q, df_code rc, df_store_row_fn take, void *ctx, size_t *n, df_err *err) {
    *n = 0;
    while (!rc && !(rc = df_sql_next(q, err)) && q->has_row) {
        df_stored_row row = row_of(q->stmt);
        rc = take(ctx, &row, err);
        (*n)++;
    }
    df_sql_end(q);
    return rc;
}

df_code df_store_each_row(df_store *s, int64_t job, uint64_t from, size_t max, df_store_row_fn take, void *ctx,
                          size_t *n, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, ROW_COLUMNS "WHERE r.job = ? AND r.row >= ? ORDER BY r.row LIMIT ?",
                             "iii", job, (int64_t)from, (int64_t)max);
    return each(&q, rc, take, ctx, n, err);
}

df_code df_store_each_failed(df_store *s, int64_t job, uint64_t from, size_t max, df_store_row_fn take, void *ctx,
                             df_err *err) {
    df_sql_query q;
    size_t n;
    df_code rc = df_sql_open(&q, &s->db, err,
                             ROW_COLUMNS "WHERE p.job = ? AND p.state = 3 AND p.row >= ? ORDER BY p.row LIMIT ?", "iii",
                             job, (int64_t)from, (int64_t)max);
    return each(&q, rc, take, ctx, &n, err);
}

df_code df_store_has_open_row(df_store *s, int64_t job, uint64_t from, uint64_t to, bool *has, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err,
                             "SELECT 1 FROM progress WHERE job = ? AND row >= ? AND row < ? AND state < 2"
                             " ORDER BY row LIMIT 1",
                             "iii", job, (int64_t)from, (int64_t)to);
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc) *has = q.has_row;
    df_sql_end(&q);
    return rc;
}

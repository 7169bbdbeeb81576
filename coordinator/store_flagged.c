#include <string.h>

#include "coordinator/store_internal.h"

static bool has_flag(const char *flags, const char *flag) { /* one a line */
    size_t n = strlen(flag);
    for (const char *at = flags; *at;) {
        size_t word = strcspn(at, "\n");
        if (word == n && !memcmp(at, flag, n)) return true;
        at += word + (at[word] == '\n');
    }
    return false;
}

/* Of two alike the one that is committed second counts, whichever it is: how many there are does not depend on it. */
static df_code look(df_store *s, int64_t job, uint64_t row, uint64_t pixels_hash, bool *was_done, bool *is_alike,
                    df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err,
                             "SELECT p.png_sha256 IS NOT NULL, EXISTS (SELECT 1 FROM progress q WHERE q.job = p.job"
                             " AND q.pixels = ? AND q.row <> p.row) FROM progress p WHERE p.job = ? AND p.row = ?",
                             "iii", (int64_t)pixels_hash, job, (int64_t)row);
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc) {
        *was_done = q.has_row && sqlite3_column_int(q.stmt, 0);
        *is_alike = q.has_row && sqlite3_column_int(q.stmt, 1);
    }
    df_sql_end(&q);
    return rc;
}

df_code df_store_count_picture(df_store *s, int64_t job, uint64_t row, const df_row_result *r, df_job_flagged *more,
                               df_err *err) {
    bool was_done = false, is_alike = false;
    *more = (df_job_flagged) { 0 };
    if (!r->pixels_hash && !*r->flags) return DF_OK;
    df_code rc = look(s, job, row, r->pixels_hash, &was_done, &is_alike, err);
    if (rc || was_done) return rc;
    more->n_duplicate = is_alike;
    more->n_flat = has_flag(r->flags, "flat");
    more->n_made_in_f32 = has_flag(r->flags, "made_in_f32");
    if (!more->n_duplicate && !more->n_flat && !more->n_made_in_f32) return DF_OK;
    return df_sql_run(&s->db, err,
                      "UPDATE jobs SET n_flat = n_flat + ?, n_duplicate = n_duplicate + ?,"
                      " n_made_in_f32 = n_made_in_f32 + ? WHERE key = ?",
                      "iiii", (int64_t)more->n_flat, (int64_t)more->n_duplicate, (int64_t)more->n_made_in_f32, job);
}

df_code df_store_count_nan(df_store *s, int64_t job, df_err *err) {
    return df_sql_run(&s->db, err, "UPDATE jobs SET n_nan = n_nan + 1 WHERE key = ?", "i", job);
}

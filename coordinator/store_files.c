/* Which files of STATE/files the jobs need. */
#include <stdio.h>

#include "coordinator/store_internal.h"

/* An older diffarm leaves the table alone, so the layout keeps its number. */
static const char table[] = "CREATE TABLE IF NOT EXISTS job_files (job INTEGER NOT NULL, sha256 TEXT NOT NULL,"
                            " PRIMARY KEY (job, sha256)) WITHOUT ROWID;"
                            "CREATE INDEX IF NOT EXISTS job_files_by_sha256 ON job_files (sha256);";

df_code df_store_open_files(df_store *s, df_err *err) {
    return df_sql_script(&s->db, table, err);
}

df_code df_store_add_file(df_store *s, int64_t job, const char *sha256, df_err *err) {
    return df_sql_run(&s->db, err, "INSERT OR IGNORE INTO job_files (job, sha256) VALUES (?, ?)", "it", job, sha256);
}

df_code df_store_has_files(df_store *s, int64_t job, bool *has, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, "SELECT 1 FROM job_files WHERE job = ? LIMIT 1", "i", job);
    if (!rc) rc = df_sql_next(&q, err);
    *has = !rc && q.has_row;
    df_sql_end(&q);
    return rc;
}

/* The first that the job needs; "": none. */
static df_code first_file(df_store *s, int64_t job, char sha256[65], bool *shared, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err,
                             "SELECT sha256, (SELECT count(*) FROM job_files AS o WHERE o.sha256 = f.sha256)"
                             " FROM job_files AS f WHERE job = ? LIMIT 1",
                             "i", job);
    sha256[0] = '\0';
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc && q.has_row) {
        snprintf(sha256, 65, "%s", df_store_text(q.stmt, 0));
        *shared = sqlite3_column_int64(q.stmt, 1) > 1;
    }
    df_sql_end(&q);
    return rc;
}

df_code df_store_release_files(df_store *s, int64_t job, size_t max, df_store_file_fn remove, void *ctx, bool *done,
                               df_err *err) {
    df_code rc = DF_OK;
    *done = false;
    for (size_t i = 0; i < max && !rc && !*done; i++) {
        char sha256[65];
        bool shared = false;
        rc = first_file(s, job, sha256, &shared, err);
        *done = !rc && !sha256[0];
        if (rc || *done) break;
        if (!shared) rc = remove(ctx, sha256, err);
        if (!rc) rc = df_sql_run(&s->db, err, "DELETE FROM job_files WHERE job = ? AND sha256 = ?", "it", job, sha256);
    }
    return rc;
}

df_code df_store_lost_files(df_store *s, int64_t *job, bool *has, df_err *err) {
    df_sql_query q;
    df_code rc =
        df_sql_open(&q, &s->db, err, "SELECT job FROM job_files WHERE job NOT IN (SELECT key FROM jobs) LIMIT 1", "");
    if (!rc) rc = df_sql_next(&q, err);
    *has = !rc && q.has_row;
    if (*has) *job = sqlite3_column_int64(q.stmt, 0);
    df_sql_end(&q);
    return rc;
}

#include <stdlib.h>
#include <string.h>

#include "coordinator/lease.h"
#include "coordinator/store_internal.h"

df_code df_store_add_lease(df_store *s, int64_t job, const char *token, const char *worker_id, int64_t *key,
                           df_err *err) {
    df_code rc = df_sql_run(&s->db, err, "INSERT INTO leases (job, token, worker_id) VALUES (?, ?, ?)", "itt", job,
                            token, worker_id);
    if (!rc) *key = sqlite3_last_insert_rowid(s->db.connection);
    return rc;
}

df_code df_store_lease_row(df_store *s, int64_t lease, int64_t job, uint64_t row, df_err *err) {
    df_store_window_lent(s, job, row);
    return df_sql_run(&s->db, err, "UPDATE progress SET state = 1, lease = ? WHERE job = ? AND row = ? AND state = 0",
                      "iii", lease, job, (int64_t)row);
}

df_code df_store_remove_lease(df_store *s, int64_t lease, df_err *err) {
    return df_sql_run(&s->db, err, "DELETE FROM leases WHERE key = ?", "i", lease);
}

static df_code read_rows(df_store *s, int64_t lease, uint64_t *rows, size_t *n, df_err *err) {
    df_sql_query q;
    df_code rc =
        df_sql_open(&q, &s->db, err, "SELECT row FROM progress WHERE lease = ? AND state = 1 ORDER BY row LIMIT ?",
                    "ii", lease, (int64_t)DF_LEASE_MAX_ROWS);
    *n = 0;
    while (!rc && !(rc = df_sql_next(&q, err)) && q.has_row) rows[(*n)++] = (uint64_t)sqlite3_column_int64(q.stmt, 0);
    df_sql_end(&q);
    return rc;
}

df_code df_store_load_leases(df_store *s, df_store_lease_fn add, void *ctx, df_err *err) {
    uint64_t rows[DF_LEASE_MAX_ROWS];
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, "SELECT key, job, token, worker_id FROM leases ORDER BY key", "");
    while (!rc && !(rc = df_sql_next(&q, err)) && q.has_row) {
        df_stored_lease lease = {
            .key = sqlite3_column_int64(q.stmt, 0),
            .job = sqlite3_column_int64(q.stmt, 1),
            .token = df_store_text(q.stmt, 2),
            .worker_id = df_store_text(q.stmt, 3),
            .rows = rows,
        };
        rc = read_rows(s, lease.key, rows, &lease.n_rows, err);
        if (!rc) rc = add(ctx, &lease, err);
    }
    df_sql_end(&q);
    return rc;
}

#include "coordinator/store_internal.h"

df_code df_store_put_out(df_store *s, const df_stored_put_out *p, df_err *err) {
    return df_sql_run(&s->db, err,
                      "INSERT OR REPLACE INTO put_outs (worker_id, name, reason, out_ms) VALUES (?, ?, ?, ?)", "ttti",
                      p->worker_id, p->name, p->reason, p->out_ms);
}

df_code df_store_not_put_out(df_store *s, const char *worker_id, df_err *err) {
    return df_sql_run(&s->db, err, "DELETE FROM put_outs WHERE worker_id = ?", "t", worker_id);
}

df_code df_store_load_put_outs(df_store *s, df_store_put_out_fn add, void *ctx, df_err *err) {
    df_sql_query q;
    df_code rc =
        df_sql_open(&q, &s->db, err, "SELECT worker_id, name, reason, out_ms FROM put_outs ORDER BY worker_id", "");
    while (!rc && !(rc = df_sql_next(&q, err)) && q.has_row) {
        const df_stored_put_out p = {
            .worker_id = df_store_text(q.stmt, 0),
            .name = df_store_text(q.stmt, 1),
            .reason = df_store_text(q.stmt, 2),
            .out_ms = sqlite3_column_int64(q.stmt, 3),
        };
        rc = add(ctx, &p, err);
    }
    df_sql_end(&q);
    return rc;
}

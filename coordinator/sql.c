#include "coordinator/sql.h"

#include <stdarg.h>
#include <string.h>

static df_code code_of(int sqlite_code) {
    switch (sqlite_code & 0xff) {
    case SQLITE_FULL: return DF_ENOSPACE;
    case SQLITE_NOMEM: return DF_ENOMEM;
    case SQLITE_CONSTRAINT: return DF_EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return DF_EFORMAT;
    default: return DF_EIO;
    }
}

df_code df_sql_error(df_sql *db, const char *what, df_err *err) {
    return df_err_set(err, code_of(sqlite3_extended_errcode(db->connection)), "%s: %s: %s", db->path, what,
                      sqlite3_errmsg(db->connection));
}

df_code df_sql_script(df_sql *db, const char *script, df_err *err) {
    return sqlite3_exec(db->connection, script, NULL, NULL, NULL) ? df_sql_error(db, "set up", err) : DF_OK;
}

static df_code prepare(df_sql *db, const char *text, sqlite3_stmt **out, df_err *err) {
    for (int i = 0; i < db->n_kept; i++)
        if (db->kept[i].text == text) {
            *out = db->kept[i].stmt;
            return DF_OK;
        }
    if (db->n_kept == DF_SQL_MAX_STATEMENTS) return df_err_set(err, DF_EINTERNAL, "too many kinds of statements");
    if (sqlite3_prepare_v3(db->connection, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL))
        return df_sql_error(db, text, err);
    db->kept[db->n_kept].text = text;
    db->kept[db->n_kept++].stmt = *out;
    return DF_OK;
}

static int bind(sqlite3_stmt *stmt, const char *types, va_list values) {
    int rc = SQLITE_OK;
    for (int i = 1; *types && !rc; types++, i++) switch (*types) {
        case 'i': rc = sqlite3_bind_int64(stmt, i, va_arg(values, int64_t)); break;
        case 'd': rc = sqlite3_bind_double(stmt, i, va_arg(values, double)); break;
        default: rc = sqlite3_bind_text(stmt, i, va_arg(values, const char *), -1, SQLITE_STATIC); break;
        }
    return rc;
}

static df_code open_query(df_sql_query *q, df_sql *db, df_err *err, const char *text, const char *types,
                          va_list values) {
    *q = (df_sql_query) { .db = db };
    df_code rc = prepare(db, text, &q->stmt, err);
    if (rc) return rc;
    if (bind(q->stmt, types, values)) {
        rc = df_sql_error(db, text, err);
        df_sql_end(q);
    }
    return rc;
}

df_code df_sql_open(df_sql_query *q, df_sql *db, df_err *err, const char *text, const char *types, ...) {
    va_list values;
    va_start(values, types);
    df_code rc = open_query(q, db, err, text, types, values);
    va_end(values);
    return rc;
}

df_code df_sql_next(df_sql_query *q, df_err *err) {
    int rc = sqlite3_step(q->stmt);
    q->has_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? DF_OK : df_sql_error(q->db, sqlite3_sql(q->stmt), err);
}

void df_sql_end(df_sql_query *q) {
    if (!q->stmt) return;
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt); /* they point into memory of the caller's */
    q->stmt = NULL;
}

df_code df_sql_run(df_sql *db, df_err *err, const char *text, const char *types, ...) {
    df_sql_query q;
    va_list values;
    va_start(values, types);
    df_code rc = open_query(&q, db, err, text, types, values);
    va_end(values);
    if (!rc) rc = df_sql_next(&q, err);
    df_sql_end(&q);
    return rc;
}

void df_sql_close(df_sql *db) {
    for (int i = 0; i < db->n_kept; i++) sqlite3_finalize(db->kept[i].stmt);
    sqlite3_close(db->connection);
    *db = (df_sql) { 0 };
}

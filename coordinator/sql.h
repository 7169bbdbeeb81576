/* The few lines of SQLite that the store's files share: one connection, prepared statements kept by their text,
 * errors as df_err, transactions.
 *
 *   df_sql_run(db, err, "UPDATE rows SET state = ? WHERE job = ?", "ii", (int64_t)state, key);
 *   df_sql_query q;   df_sql_open(&q, db, err, "SELECT ...", "i", key);
 *   while ((rc = df_sql_next(&q, err)) == DF_OK && q.has_row) sqlite3_column_...(q.stmt, 0);
 *   df_sql_end(&q);
 *
 * Values by letter: i int64_t, d double, t const char * (NULL is SQL's NULL; must live until the next step).
 * Statement texts must be string literals: they are told apart by address. */
#ifndef DF_COORDINATOR_SQL_H
#define DF_COORDINATOR_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { DF_SQL_MAX_STATEMENTS = 64 };

typedef struct df_sql {
    sqlite3 *connection;
    const char *path; /* borrowed, for messages */
    struct {
        const char *text;
        sqlite3_stmt *stmt;
    } kept[DF_SQL_MAX_STATEMENTS];
    int n_kept;
} df_sql;

typedef struct df_sql_query {
    df_sql *db;
    sqlite3_stmt *stmt;
    bool has_row;
} df_sql_query;

df_code df_sql_error(df_sql *db, const char *what, df_err *err); /* of the connection's last call */
df_code df_sql_script(df_sql *db, const char *script, df_err *err); /* several statements, no values */
df_code df_sql_run(df_sql *db, df_err *err, const char *text, const char *types, ...);
df_code df_sql_open(df_sql_query *q, df_sql *db, df_err *err, const char *text, const char *types, ...);
df_code df_sql_next(df_sql_query *q, df_err *err);
void df_sql_end(df_sql_query *q);
void df_sql_close(df_sql *db);

#endif

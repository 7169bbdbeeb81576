/* What the store's own files share; nobody else includes this. */
#ifndef DF_COORDINATOR_STORE_INTERNAL_H
#define DF_COORDINATOR_STORE_INTERNAL_H

#include "coordinator/sql.h"
#include "coordinator/store.h"

struct df_store {
    df_sql db;
    char *path;
    int64_t starts;
    bool durable; /* how the connection is set now */
    bool log_suspect; /* a sync failed: what was committed before may never reach the disk by itself */
};

df_code df_store_rewrite_log(const char *path, df_err *err); /* store_log.c; path of the database */

/* Column texts are SQLite's and end with the next step. */
const char *df_store_text(sqlite3_stmt *stmt, int column); /* "" for NULL */

#endif

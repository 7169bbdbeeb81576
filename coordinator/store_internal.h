/* What the store's own files share; nobody else includes this. */
#ifndef DF_COORDINATOR_STORE_INTERNAL_H
#define DF_COORDINATOR_STORE_INTERNAL_H

#include "coordinator/sql.h"
#include "coordinator/store.h"

enum { DF_STORE_MAX_WINDOWS = 64 };

/* store_window.c: the first pending rows of a job, as they are in the file. */
typedef struct df_store_window {
    int64_t job; /* 0: none */
    uint64_t used; /* serial number of its last use */
    df_row_pick *picks; /* ascending: all pending rows below next_row */
    size_t n;
    uint64_t next_row;
    bool is_whole; /* none is pending from next_row on */
} df_store_window;

struct df_store {
    df_sql db;
    char *path;
    int64_t starts;
    bool durable; /* how the connection is set now */
    df_store_window windows[DF_STORE_MAX_WINDOWS];
    uint64_t window_uses;
    bool log_suspect; /* a sync failed: what was committed before may never reach the disk by itself */
};

df_code df_store_rewrite_log(const char *path, df_err *err); /* store_log.c; path of the database */

/* Writes tell what becomes of a pending row; whatever is rolled back has not come to be. */
void df_store_window_lent(df_store *s, int64_t job, uint64_t row); /* or done, or failed */
void df_store_window_came_back(df_store *s, int64_t job, uint64_t row);
void df_store_window_forget(df_store *s, int64_t job); /* any of its rows may have changed */
void df_store_window_forget_all(df_store *s);

/* Column texts are SQLite's and end with the next step. */
const char *df_store_text(sqlite3_stmt *stmt, int column); /* "" for NULL */

#endif

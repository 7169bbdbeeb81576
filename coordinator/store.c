#include "coordinator/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/store_internal.h"

enum { SCHEMA_VERSION = 5, CHECKPOINT_PAGES = 1000 };

/* One process has the file (STATE/lock), so SQLite may hold its locks for good; that also keeps the WAL's index in
 * memory instead of a shared mapping, which network file systems lack. */
static const char setup[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;";

/* Texts and progress of a row lie apart: the first never changes, the second does three times a row and is small. */
static const char schema[] =
    "BEGIN;"
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), starts INTEGER NOT NULL);"
    "INSERT INTO meta VALUES (1, 0);"
    "CREATE TABLE jobs (key INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE, state INTEGER NOT NULL,"
    " title TEXT NOT NULL, out_dir TEXT NOT NULL, model_path TEXT NOT NULL, model_name TEXT NOT NULL,"
    " model_sha256 TEXT NOT NULL, dtype TEXT NOT NULL, noise TEXT NOT NULL, format TEXT NOT NULL,"
    " micro_batch INTEGER NOT NULL, manifest_sha256 TEXT NOT NULL, n_rows INTEGER NOT NULL DEFAULT 0,"
    " n_done INTEGER NOT NULL DEFAULT 0, n_failed INTEGER NOT NULL DEFAULT 0, n_retried INTEGER NOT NULL DEFAULT 0,"
    " n_duplicates INTEGER NOT NULL DEFAULT 0, n_conflicts INTEGER NOT NULL DEFAULT 0,"
    " released INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE rows (job INTEGER NOT NULL, row INTEGER NOT NULL, line INTEGER NOT NULL, seed INTEGER NOT NULL,"
    " width INTEGER NOT NULL, height INTEGER NOT NULL, steps INTEGER NOT NULL, guidance REAL NOT NULL,"
    " prompt TEXT NOT NULL, negative TEXT NOT NULL, scheduler TEXT NOT NULL, task TEXT NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (job, row)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX rows_by_name ON rows (job, name) WHERE name <> '';"
    "CREATE TABLE progress (job INTEGER NOT NULL, row INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    " lease INTEGER, attempts INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0, worker TEXT,"
    " png_sha256 TEXT, flags TEXT, scheduler TEXT, seconds REAL, finished_ms INTEGER, error TEXT,"
    " PRIMARY KEY (job, row)) WITHOUT ROWID;"
    "CREATE INDEX progress_by_state ON progress (job, state, row);"
    "CREATE INDEX progress_by_lease ON progress (lease) WHERE lease IS NOT NULL;"
    "CREATE TABLE leases (key INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, token TEXT NOT NULL,"
    " worker_id TEXT NOT NULL);"
    "PRAGMA user_version = 1;"
    "COMMIT;";

static const char to_version_2[] = "BEGIN;"
                                   "ALTER TABLE jobs ADD COLUMN model_config TEXT NOT NULL DEFAULT '';"
                                   "ALTER TABLE jobs ADD COLUMN options INTEGER NOT NULL DEFAULT 0;"
                                   "ALTER TABLE rows ADD COLUMN extras TEXT NOT NULL DEFAULT '';"
                                   "PRAGMA user_version = 2;"
                                   "COMMIT;";

static const char to_version_3[] = "BEGIN;"
                                   "ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
                                   "PRAGMA user_version = 3;"
                                   "COMMIT;";

/* pixels: what the guard knows pictures by (guard.h of the worker). */
static const char to_version_4[] = "BEGIN;"
                                   "ALTER TABLE jobs ADD COLUMN n_flat INTEGER NOT NULL DEFAULT 0;"
                                   "ALTER TABLE jobs ADD COLUMN n_duplicate INTEGER NOT NULL DEFAULT 0;"
                                   "ALTER TABLE jobs ADD COLUMN n_made_in_f32 INTEGER NOT NULL DEFAULT 0;"
                                   "ALTER TABLE jobs ADD COLUMN n_nan INTEGER NOT NULL DEFAULT 0;"
                                   "ALTER TABLE progress ADD COLUMN pixels INTEGER;"
                                   "CREATE INDEX progress_by_pixels ON progress (job, pixels)"
                                   " WHERE pixels IS NOT NULL;"
                                   "PRAGMA user_version = 4;"
                                   "COMMIT;";

static const char to_version_5[] = "BEGIN;"
                                   "CREATE TABLE put_outs (worker_id TEXT PRIMARY KEY, name TEXT NOT NULL,"
                                   " reason TEXT NOT NULL, out_ms INTEGER NOT NULL) WITHOUT ROWID;"
                                   "PRAGMA user_version = 5;"
                                   "COMMIT;";

/* What a crash may leave behind: uploads without their end, leased rows whose lease was never committed. */
static const char repair[] =
    "BEGIN;"
    "UPDATE meta SET starts = starts + 1;"
    "DELETE FROM rows WHERE job IN (SELECT key FROM jobs WHERE state = 0);"
    "DELETE FROM progress WHERE job IN (SELECT key FROM jobs WHERE state = 0);"
    "DELETE FROM jobs WHERE state = 0;"
    "DELETE FROM leases WHERE job NOT IN (SELECT key FROM jobs);"
    "UPDATE progress SET state = 0, lease = NULL WHERE lease IS NOT NULL AND lease NOT IN (SELECT key FROM leases);"
    "COMMIT;";

const char *df_store_text(sqlite3_stmt *stmt, int column) {
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

static df_code read_int(df_store *s, const char *text, int64_t *out, df_err *err) {
    df_sql_query q;
    df_code rc = df_sql_open(&q, &s->db, err, text, "");
    if (!rc) rc = df_sql_next(&q, err);
    if (!rc) *out = q.has_row ? sqlite3_column_int64(q.stmt, 0) : 0;
    df_sql_end(&q);
    return rc;
}

static df_code bring_up(df_store *s, df_err *err) {
    int64_t version = 0;
    df_code rc = df_sql_script(&s->db, setup, err);
    if (!rc) rc = read_int(s, "PRAGMA user_version", &version, err);
    if (!rc && version > SCHEMA_VERSION)
        rc = df_err_set(err, DF_EUNSUPPORTED, "%s: made by a newer diffarm (layout %lld, this one knows %d)", s->path,
                        (long long)version, SCHEMA_VERSION);
    if (!rc && version < 1) rc = df_sql_script(&s->db, schema, err);
    if (!rc && version < 2) rc = df_sql_script(&s->db, to_version_2, err);
    if (!rc && version < 3) rc = df_sql_script(&s->db, to_version_3, err);
    if (!rc && version < 4) rc = df_sql_script(&s->db, to_version_4, err);
    if (!rc && version < 5) rc = df_sql_script(&s->db, to_version_5, err);
    if (!rc) rc = df_store_open_files(s, err);
    if (!rc) rc = df_sql_script(&s->db, repair, err);
    if (!rc) rc = read_int(s, "SELECT starts FROM meta", &s->starts, err);
    s->durable = true;
    return rc;
}

/* SQLite's own hook does the same, but tells nobody when a sync fails. */
static int after_commit(void *ctx, sqlite3 *db, const char *name, int n_pages) {
    df_store *s = ctx;
    if (n_pages >= CHECKPOINT_PAGES && sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL))
        s->log_suspect = true;
    return SQLITE_OK;
}

df_code df_store_open(df_store **out, const char *state_dir, df_err *err) {
    df_store *s = calloc(1, sizeof *s);
    if (!s || asprintf(&s->path, "%s/farm.db", state_dir) < 0) {
        free(s);
        return df_err_set(err, DF_ENOMEM, "store of %s", state_dir);
    }
    s->db.path = s->path;
    df_code rc = df_store_rewrite_log(s->path, err); /* a process before this one may have seen a sync fail */
    if (!rc && sqlite3_open_v2(s->path, &s->db.connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL))
        rc = df_sql_error(&s->db, "open", err);
    if (!rc) sqlite3_wal_hook(s->db.connection, after_commit, s);
    if (!rc) rc = bring_up(s, err);
    if (rc)
        df_store_close(&s);
    else
        *out = s;
    return rc;
}

void df_store_close(df_store **s) {
    if (!s || !*s) return;
    df_sql_close(&(*s)->db);
    for (int i = 0; i < DF_STORE_MAX_WINDOWS; i++) free((*s)->windows[i].picks);
    free((*s)->path);
    free(*s);
    *s = NULL;
}

df_code df_store_set_cache(df_store *s, int kib, df_err *err) {
    char text[64];
    snprintf(text, sizeof text, "PRAGMA cache_size = -%d", kib);
    return df_sql_script(&s->db, text, err);
}

int64_t df_store_starts(const df_store *s) {
    return s->starts;
}

df_code df_store_begin(df_store *s, bool durable, df_err *err) {
    if (s->log_suspect) {
        df_code rc = df_store_rewrite_log(s->path, err);
        if (rc) return rc;
        s->log_suspect = false;
    }
    if (durable != s->durable) {
        df_code rc = df_sql_script(&s->db, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
        if (rc) return rc;
        s->durable = durable;
    }
    return df_sql_run(&s->db, err, "BEGIN IMMEDIATE", "");
}

df_code df_store_commit(df_store *s, df_err *err) {
    df_code rc = df_sql_run(&s->db, err, "COMMIT", "");
    if (rc) s->log_suspect = true;
    return rc;
}

void df_store_rollback(df_store *s) {
    df_store_window_forget_all(s);
    if (!sqlite3_get_autocommit(s->db.connection)) df_sql_run(&s->db, NULL, "ROLLBACK", "");
}

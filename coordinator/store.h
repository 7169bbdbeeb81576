/* The store: jobs, rows and leases in one SQLite file of the state folder.
 *
 *   df_store_open(&s, "STATE", &err);
 *   df_store_begin(s, true, &err);  ...writes...  df_store_commit(s, &err) or df_store_rollback(s);
 *   df_store_close(&s);
 *
 * Every write below belongs between begin and commit. A durable transaction is synced before commit returns, and with
 * it all that were committed before; the others survive a crash of the program, not always one of the machine: used
 * where losing the last of them is harmless (a batch of an upload, a lease). After an error: roll back, all is as
 * before. Rows are stored once and read in windows, so memory does not grow with a job. Reads may be made at any time.
 * Threads: one owner. */
#ifndef DF_COORDINATOR_STORE_H
#define DF_COORDINATOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "coordinator/job.h"
#include "coordinator/row.h"

typedef struct df_store df_store;

df_code df_store_open(df_store **out, const char *state_dir, df_err *err);
void df_store_close(df_store **s);
df_code df_store_set_cache(df_store *s, int kib, df_err *err); /* memory for pages of the file; 2 MiB until then */
int64_t df_store_starts(const df_store *s); /* how often this state folder was opened; 1 the first time */

df_code df_store_begin(df_store *s, bool durable, df_err *err);
df_code df_store_commit(df_store *s, df_err *err);
void df_store_rollback(df_store *s); /* fine without a transaction */

/* jobs (store_jobs.c) */

df_code df_store_add_job(df_store *s, df_job *job, df_err *err); /* sets job->key */
df_code df_store_save_job(df_store *s, const df_job *job, df_err *err); /* state and counts */
df_code df_store_remove_job(df_store *s, int64_t job, df_err *err); /* with its rows and leases */
/* All jobs, oldest first; each is handed to add, which takes it on success. */
typedef df_code (*df_store_job_fn)(void *ctx, df_job *job, df_err *err);
df_code df_store_load_jobs(df_store *s, df_store_job_fn add, void *ctx, df_err *err);

/* rows (store_rows.c) */

typedef enum df_row_state { /* in the file: numbers never change */
                            DF_ROW_PENDING = 0,
                            DF_ROW_LEASED = 1,
                            DF_ROW_DONE = 2,
                            DF_ROW_FAILED = 3,
} df_row_state;

typedef struct df_stored_row { /* strings in the arena given */
    df_row is;
    df_row_state state;
    int attempts, lost; /* failures so far; workers that died with it */
    const char *png_sha256, *flags, *scheduler_used, *error, *worker;
    uint64_t
        first_alike; /* the first row with the same pixels, as far as is known: itself, or of a done row an earlier */
    double seconds;
    int64_t finished_ms; /* wall clock */
} df_stored_row;

/* What choosing rows for a lease looks at. */
typedef struct df_row_pick {
    uint64_t row;
    uint32_t width, height, steps;
    double
        share; /* of the steps that are run: a row that begins with a picture leaves some out (df_row_extras_share) */
    int lost;
    uint64_t adapters; /* hash of what they are; 0: none */
    uint64_t failed_by; /* df_store_hash of the worker that failed at it last; 0: none */
} df_row_pick;

static inline double df_row_pick_work(const df_row_pick *pick) { /* in pixels times steps that are run */
    return (double)pick->width * pick->height * pick->steps * pick->share;
}

uint64_t df_store_hash(const char *text); /* 0 for "" */
df_code df_store_add_row(df_store *s, int64_t job, const df_row *row,
                         df_err *err); /* DF_EEXIST: row or name is there */
df_code df_store_read_row(df_store *s, int64_t job, uint64_t row, df_arena *arena, df_stored_row *out, df_err *err);
/* The first pending rows in manifest order: DF_STORE_WINDOW_ROWS at least, if there are so many. They are kept in
 * memory (store_window.c), and so cost little; borrowed until the next call that writes. Between begin and commit rows
 * that are lent there are left out, and after a rollback they are back. */
enum { DF_STORE_WINDOW_ROWS = 1024 };
df_code df_store_pending(df_store *s, int64_t job, const df_row_pick **picks, size_t *n, df_err *err);

typedef struct df_row_result {
    const char *png_sha256, *flags, *scheduler, *worker; /* flags: one a line */
    uint64_t pixels_hash; /* 0: not known */
    double seconds;
    int64_t finished_ms;
} df_row_result;

df_code df_store_row_done(df_store *s, int64_t job, uint64_t row, const df_row_result *result, df_err *err);
/* Failed for good, or pending again with one attempt more; *failed says which. for_good: no further attempt. */
df_code df_store_row_attempt(df_store *s, int64_t job, uint64_t row, const char *worker, const char *error,
                             bool for_good, int max_attempts, bool *failed, df_err *err);
/* The worker died with it: failed for good after max_losses, else pending again. */
df_code df_store_row_lost(df_store *s, int64_t job, uint64_t row, const char *worker, int max_losses, bool *failed,
                          df_err *err);
df_code df_store_row_back(df_store *s, int64_t job, uint64_t row, df_err *err); /* pending again, nobody is to blame */
/* All failed rows are pending, as if they had never been tried. */
df_code df_store_retry_failed(df_store *s, int64_t job, df_err *err);

/* Rows from `from` on in manifest order, at most max, each handed to take. *n says how many. */
typedef df_code (*df_store_row_fn)(void *ctx, const df_stored_row *row, df_err *err);
df_code df_store_each_row(df_store *s, int64_t job, uint64_t from, size_t max, df_store_row_fn take, void *ctx,
                          size_t *n, df_err *err);
/* Is there a row in from..to-1 that is neither done nor failed? */
df_code df_store_has_open_row(df_store *s, int64_t job, uint64_t from, uint64_t to, bool *has, df_err *err);
/* Failed rows from `from` on, at most max. */
df_code df_store_each_failed(df_store *s, int64_t job, uint64_t from, size_t max, df_store_row_fn take, void *ctx,
                             df_err *err);

/* pictures that are flagged (store_flagged.c): counted in the transaction that commits their rows */

/* Before df_store_row_done of this result. *more: what was added to the job's counts; none for a row that was done
 * before. */
df_code df_store_count_picture(df_store *s, int64_t job, uint64_t row, const df_row_result *result,
                               df_job_flagged *more, df_err *err);
df_code df_store_count_nan(df_store *s, int64_t job, df_err *err); /* a row is failed for it */

/* files that jobs need (store_files.c) */

df_code df_store_open_files(df_store *s, df_err *err);
df_code df_store_add_file(df_store *s, int64_t job, const char *sha256, df_err *err);
df_code df_store_has_files(df_store *s, int64_t job, bool *has, df_err *err);
/* The job needs them no more, at most max at once; remove is called for those that no other job needs. */
typedef df_code (*df_store_file_fn)(void *ctx, const char *sha256, df_err *err);
df_code df_store_release_files(df_store *s, int64_t job, size_t max, df_store_file_fn remove, void *ctx, bool *done,
                               df_err *err);
df_code df_store_lost_files(df_store *s, int64_t *job, bool *has, df_err *err); /* a job that is gone, and had some */

/* workers that are put out (store_put_outs.c) */

typedef struct df_stored_put_out {
    const char *worker_id, *name, *reason; /* valid during the call */
    int64_t out_ms;
} df_stored_put_out;

df_code df_store_put_out(df_store *s, const df_stored_put_out *p, df_err *err); /* in place of what was known of it */
df_code df_store_not_put_out(df_store *s, const char *worker_id, df_err *err);
typedef df_code (*df_store_put_out_fn)(void *ctx, const df_stored_put_out *p, df_err *err);
df_code df_store_load_put_outs(df_store *s, df_store_put_out_fn add, void *ctx, df_err *err);

/* leases (store_leases.c) */

df_code df_store_add_lease(df_store *s, int64_t job, const char *token, const char *worker_id, int64_t *key,
                           df_err *err);
df_code df_store_lease_row(df_store *s, int64_t lease, int64_t job, uint64_t row, df_err *err);
df_code df_store_remove_lease(df_store *s, int64_t lease, df_err *err);

typedef struct df_stored_lease {
    int64_t key, job;
    const char *token, *worker_id; /* valid during the call */
    const uint64_t *rows; /* still leased, ascending */
    size_t n_rows;
} df_stored_lease;

typedef df_code (*df_store_lease_fn)(void *ctx, const df_stored_lease *lease, df_err *err);
df_code df_store_load_leases(df_store *s, df_store_lease_fn add, void *ctx, df_err *err);

#endif

/* The farm: the coordinator without its socket and its clock.
 *
 *   df_farm_open(&f, &cfg, &wire, now_ms, &err);
 *   loop: df_farm_take(f, &in, now_ms) for each message; df_farm_turn(f, now_ms); wait at most df_farm_wait_ms
 *   df_farm_close(&f);
 *
 * Messages change tables and queue results; the turn then does what takes the disk, in groups: write and commit
 * results (results.c), pack shards (pack_shards.c), end leases of the lost (housekeeping.c), lend rows (dispatch.c),
 * close jobs (finish.c). Answers leave only after what they promise is committed. Time and the wire come from outside,
 * so that tests own both. */
#ifndef DF_COORDINATOR_FARM_H
#define DF_COORDINATOR_FARM_H

#include "coordinator/coordinator.h"
#include "coordinator/crew.h"
#include "coordinator/file_store.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/log_limit.h"
#include "coordinator/out_lists.h"
#include "coordinator/png_check.h"
#include "coordinator/store.h"
#include "coordinator/worker_table.h"
#include "proto/envelope.h"

enum { DF_FARM_MAX_ATTEMPTS = 2, DF_FARM_MAX_LOSSES = 3, DF_FARM_RECENT = 24 };

enum { DF_FARM_RESERVED_DESCRIPTORS = 128 }; /* files that are open beside one connection for each worker */

typedef struct df_farm_recent { /* a row that was committed lately */
    const df_job *job; /* borrowed: jobs with results are kept */
    uint64_t row;
} df_farm_recent;

typedef enum df_limited_line { /* lines of the log that peers can cause by a message each */
                               DF_LINE_REFUSED,
                               DF_LINE_UNEXPECTED,
                               DF_LINE_LATE_RESULT,
                               DF_LINE_CONFLICT,
                               DF_LINE_BAD_RESULT,
                               DF_LINE_ROW_FAILED,
                               DF_LINE_HELLO,
                               DF_LINE_GOODBYE,
                               DF_N_LIMITED_LINES
} df_limited_line;

typedef struct df_wire_out {
    void *ctx;
    df_code (*send)(void *ctx, const void *to, size_t to_bytes, const Diffarm__Message *msg, df_err *err);
} df_wire_out;

typedef struct df_ack {
    char token[DF_LEASE_TOKEN_BYTES], worker_id[DF_WORKER_ID_BYTES];
    uint64_t row;
    bool committed;
} df_ack;

typedef struct df_acks { /* that are to be sent; kept from turn to turn */
    df_ack *at;
    size_t n, cap;
} df_acks;

enum { DF_LEND_LEASES = 64 };

typedef struct df_lent {
    struct df_lease *lease; /* borrowed: in the table */
    struct df_worker *worker; /* borrowed; it asks until the lease is sent */
} df_lent;

typedef struct df_lending { /* leases of the transaction that is open; none: there is none */
    df_lent at[DF_LEND_LEASES];
    size_t n;
} df_lending;

typedef struct df_farm {
    df_coordinator_cfg cfg;
    df_wire_out wire;
    char id[DF_LEASE_TOKEN_BYTES / 2]; /* of this start */
    uint64_t n_tokens;
    uint64_t n_copied; /* rows lent as copies, in this start */
    size_t max_workers;
    int64_t now_ms, last_turn_ms, opened_ms;
    int64_t watch_ms; /* when workers and leases are looked through again */
    int64_t look_ms, tail_ms; /* the same for asking workers that got nothing, and for slow leases */
    uint64_t looked_mark; /* what the lending was decided by, then (dispatch.c) */
    df_store *store;
    df_file_store *files;
    df_crew *crew;
    int64_t store_retry_ms; /* > 0: the last write failed; nothing is written before then */
    char store_problem[DF_JOB_PROBLEM_BYTES];
    df_job_table jobs;
    df_fair_share shares; /* of the jobs, in seconds of a worker */
    df_lease_table leases;
    df_lending lending;
    df_worker_table workers;
    uint64_t n_asks;
    struct df_result *results, **results_end; /* queue of results.c, oldest first */
    size_t results_bytes;
    df_acks acks;
    bool work_left; /* a turn stopped half-way: come back at once */
    int n_ended; /* jobs that ended in this start */
    int64_t idle_since_ms;
    uint64_t n_bad_messages;
    df_log_limit limits[DF_N_LIMITED_LINES];
    df_farm_recent recent[DF_FARM_RECENT]; /* a ring: the k-th commit of this start is at k % DF_FARM_RECENT */
    uint64_t n_recent;
    char quoted[2 * DF_JOB_PROBLEM_BYTES];
} df_farm;

df_code df_farm_open(df_farm **out, const df_coordinator_cfg *cfg, const df_wire_out *wire, int64_t now_ms,
                     df_err *err);
void df_farm_close(df_farm **f);

void df_farm_take(df_farm *f, df_wire_in *in,
                  int64_t now_ms); /* may take the blob out of `in`; caller frees the rest */
/* The same, of a message whose picture was looked at already (by a thread of the crew); look may be NULL. */
void df_farm_take_looked(df_farm *f, df_wire_in *in, const df_png_look *look, int64_t now_ms);
/* A message that did not decode: its sender is told why. */
void df_farm_refuse(df_farm *f, const df_wire_in *in, const df_err *why);
void df_farm_turn(df_farm *f, int64_t now_ms);
int64_t df_farm_wait_ms(const df_farm *f); /* until something is due by the clock */
int64_t df_farm_tick_ms(const df_farm *f); /* workers and leases are looked through so often, if nothing else happens */
bool df_farm_is_idle(const df_farm *f); /* cfg.exit_when_idle_ms has passed without work */

/* between the files of the farm */

df_code df_farm_send(df_farm *f, const void *to, size_t to_bytes, const Diffarm__Message *msg);
void df_farm_log(df_farm *f, df_log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, within log_limit.h; the event is the line's own. */
void df_farm_log_limited(df_farm *f, df_limited_line line, df_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void df_farm_log_withheld(df_farm *f); /* how many lines were not written */
const char *df_farm_quote(df_farm *f, const char *text); /* as a log value; valid until the next call */

/* The store refuses writes (disk full): remembered, tried again later, and shown with every running job. */
void df_farm_store_failed(df_farm *f, const df_err *why);
void df_farm_store_works(df_farm *f);
bool df_farm_store_rests(const df_farm *f);

/* OUT of a job refuses writes: the job stalls and is tried again later. */
void df_farm_sink_failed(df_farm *f, df_job *job, const df_err *why);

bool df_farm_is_client_request(const Diffarm__Message *msg);
void df_farm_take_client(df_farm *f, const df_wire_in *in); /* client_requests.c */
void df_farm_take_worker(df_farm *f, df_wire_in *in, const df_png_look *look); /* worker_requests.c; look may be NULL */
/* An error: the store would not have it; the upload is still known, and may be forgotten later. */
df_code df_farm_forget_upload(df_farm *f, df_job *job, df_err *err);
df_code df_farm_control_job(df_farm *f, const Diffarm__JobControl *in, df_err *err); /* job_control.c */

/* status.c: what the farm tells of itself; strings are borrowed from the farm or lie in the arena */
Diffarm__JobStatus *df_farm_job_status(df_farm *f, const df_job *job, df_arena *arena); /* NULL: out of memory */
/* Counts open rows: n_open and n_open_of_job (NULL: of no job) of every worker. */
void df_farm_count_open(const df_farm *f, const df_job *job);
void df_farm_worker_status(const df_farm *f, const df_worker *worker, Diffarm__WorkerStatus *s); /* after counting */
void df_farm_answer_jobs(df_farm *f, const df_wire_in *in);
void df_farm_answer_workers(df_farm *f, const df_wire_in *in);
void df_farm_answer_failures(df_farm *f, const df_wire_in *in);
void df_farm_answer_explain(df_farm *f, const df_wire_in *in); /* explain.c: why a job waits */

void df_farm_revoke(df_farm *f, const df_worker *worker, const char *token, const char *reason);
/* All leases of a job, or of a worker, meet an event. */
void df_farm_leases_of_job(df_farm *f, const df_job *job, df_lease_event event);
void df_farm_leases_of_worker(df_farm *f, const df_worker *worker, df_lease_event event);
void df_farm_name_lease(df_farm *f, df_lease *lease);

/* put_out.c: a failure that may be the worker's own; a picture of it; its clock; its way back. */
void df_farm_strike(df_farm *f, df_worker *worker, const char *why);
void df_farm_clear(df_worker *worker);
bool df_farm_is_on_trial(const df_worker *worker);
void df_farm_watch_put_out(df_farm *f, df_worker *worker);
bool df_farm_save_put_out(df_farm *f, df_worker *worker); /* true: the store has it as it is */
df_code df_farm_load_put_outs(df_farm *f, df_err *err); /* at a start, when the leases are there */
df_code df_farm_readmit(df_farm *f, const Diffarm__WorkerReadmit *in, df_err *err);

void df_farm_keep_house(df_farm *f); /* housekeeping.c: silence, timeouts, leases that ended */
void df_farm_dispatch(df_farm *f); /* dispatch.c */
typedef struct df_lent_rows {
    uint64_t rows[DF_LEASE_MAX_ROWS]; /* ascending */
    size_t n;
    double seconds; /* that they are expected to take */
} df_lent_rows;

/* lend.c: leases of a turn, many in one transaction */

/* copies: another lease has them, and keeps them. false: not lent. */
bool df_farm_lend(df_farm *f, df_job *job, df_worker *worker, const df_lent_rows *lent, bool copies);
void df_farm_send_lent(df_farm *f); /* commits what was lent, and sends it; at the end of each turn's lending */
void df_farm_lending_failed(df_farm *f, const df_err *why); /* the store failed meanwhile: nothing was lent */

/* lease_size.c: what still goes into one lease */
typedef struct df_lease_size {
    size_t rows;
    double seconds; /* one row may be longer */
    double left_s; /* until the worker's allocation ends: none may be longer */
    bool has_row;
} df_lease_size;
df_lease_size df_farm_lease_size(const df_farm *f, const df_worker *worker);
bool df_lease_size_take(df_lease_size *size, double row_seconds); /* false: there is no room for such a row */
/* What a row is expected to take; work as of df_row_pick_work, 0: not known. */
double df_farm_row_seconds(const df_farm *f, const df_worker *worker, double work);

/* tail.c: the last rows of a job, lent once more while a slow worker still has them */
enum { DF_TAIL_LEASES = 256 };
typedef struct df_slow_lease {
    df_lease *lease;
    double overdue_s;
} df_slow_lease;
typedef struct df_tail { /* slowest first; valid within the turn */
    df_slow_lease at[DF_TAIL_LEASES];
    size_t n;
} df_tail;
void df_farm_find_tail(df_farm *f, df_tail *tail);
void df_farm_copy_tail(df_farm *f, const df_tail *tail,
                       df_worker *worker); /* it asks, and nothing else is left for it */
df_lease *df_farm_copy_of(const df_farm *f, const df_job *job, const df_lease_row *row); /* live; NULL: there is none */
void df_farm_take_first(df_farm *f, df_lease *lease, uint64_t row); /* its picture has come: others need not do it */
void df_farm_drop_copy(df_farm *f, df_lease *lease, df_lease_row *row); /* it has failed, or comes back */
/* The lease that had the row has ended without it: the copy has it now, or the row is failed and nobody has it. */
void df_farm_settle_copy(df_farm *f, df_lease *copy, uint64_t row, bool failed);
void df_farm_finish_jobs(df_farm *f); /* finish.c */
void df_farm_pack_shards(df_farm *f); /* pack_shards.c */
bool df_farm_is_packed(const df_job *job); /* all shards of a tar job are finished; true for others */

/* file_requests.c: files that rows need */
void df_farm_take_file(df_farm *f, const df_wire_in *in); /* a FilePut */
void df_farm_give_file(df_farm *f, const df_worker *worker, const Diffarm__FileGet *in);
void df_farm_release_files(df_farm *f, df_job *job); /* some of them, if the job needs them no more */
df_code df_farm_open_files(df_farm *f, df_err *err); /* at a start, when the jobs are there */
df_code df_farm_sweep_files(df_farm *f, df_err *err); /* those of jobs that were forgotten */

/* results.c: finished rows on their way to OUT and the store. */
typedef struct df_result df_result;
void df_farm_queue_result(df_farm *f, df_worker *worker, df_lease *lease, df_wire_in *in, const df_png_look *look);
void df_farm_queue_failure(df_farm *f, df_worker *worker, df_lease *lease, const Diffarm__RowFailed *failed);
void df_farm_queue_return(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row); /* not begun, others may */
void df_farm_flush_results(df_farm *f);
void df_farm_drop_results(df_farm *f, const df_job *job); /* NULL: all */
bool df_farm_has_results(const df_farm *f, const df_job *job);
bool df_farm_has_result(const df_farm *f, const df_job *job, uint64_t row);

/* acks.c: committed, or dropped; at once, or with others of its lease when they are sent */
void df_farm_ack(df_farm *f, const char *worker_id, const char *token, uint64_t row, bool committed);
void df_farm_ack_later(df_farm *f, const char *worker_id, const char *token, uint64_t row, bool committed);
void df_farm_send_acks(df_farm *f);

#endif

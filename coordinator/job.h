/* A job: what was asked for, how far it is, and the table of its life (docs/protocol.md, "life of a job").
 *
 * df_job_apply is pure: it changes the state by the table and nothing else. What a state calls for (writing lists,
 * giving OUT back) is done by finish.c, which may be called again after a restart. */
#ifndef DF_COORDINATOR_JOB_H
#define DF_COORDINATOR_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "coordinator/fair_share.h"
#include "coordinator/map.h"
#include "coordinator/rate.h"
#include "farm.pb-c.h"

enum { DF_JOB_ID_CHARS = 16, DF_JOB_PROBLEM_BYTES = 512, DF_JOB_MAX_PRIORITY = 10 };

typedef enum df_job_state {
    DF_JOB_RECEIVING, /* rows come in; forgotten at a restart */
    DF_JOB_RUNNING,
    DF_JOB_STALLED, /* OUT cannot be written; tried again by itself. On disk it is RUNNING */
    DF_JOB_FINISHING, /* all rows done or failed, the lists are being written. On disk it is RUNNING */
    DF_JOB_DONE,
    DF_JOB_CANCELLED,
    DF_JOB_PAUSED, /* nothing new is lent; what is in work is finished */
    DF_JOB_N_STATES
} df_job_state;

typedef enum df_job_event {
    DF_JOB_EV_UPLOADED,
    DF_JOB_EV_SINK_FAILED,
    DF_JOB_EV_SINK_WORKS,
    DF_JOB_EV_ROWS_FINISHED,
    DF_JOB_EV_LISTS_WRITTEN,
    DF_JOB_EV_CANCEL,
    DF_JOB_EV_PAUSE,
    DF_JOB_EV_RESUME,
    DF_JOB_EV_RETRY, /* failed rows are pending again */
    DF_JOB_N_EVENTS
} df_job_event;

typedef struct df_job_spec { /* strings belong to the job's arena, or are borrowed before there is one */
    const char *job_id, *title, *out_dir, *model_path, *model_name, *model_sha256, *dtype, *noise, *format;
    const char *manifest_sha256;
    const char *model_config; /* "": the model's own */
    uint32_t micro_batch;
    const char *backend; /* of the workers: one of df_job_backends */
    bool no_t5, long_prompts, prompt_weights, fast_conv;
    bool shared_sink; /* workers write pictures beside OUT */
    int priority; /* -DF_JOB_MAX_PRIORITY..DF_JOB_MAX_PRIORITY */
} df_job_spec;

/* What computes a job's pictures, which differ from one to another: "" (cpu), "cuda", "reference", and "any" where that
 * is no matter. Their places stand in the store. */
extern const char *const df_job_backends[];
extern const int df_job_n_backends;
int df_job_backend_of(const char *name); /* its place; "cpu" is ""; -1: there is none */

typedef struct df_job_flagged { /* pictures that somebody should look at */
    uint64_t n_flat, n_duplicate, n_made_in_f32; /* of those done; duplicate: of an earlier row's picture */
    uint64_t n_nan; /* of those failed */
} df_job_flagged;

typedef struct df_job {
    int64_t key; /* in the store; in the order of their coming */
    df_job_state state;
    df_job_spec spec;
    df_arena *arena;
    uint64_t n_rows, n_done, n_failed, n_leased;
    uint64_t n_retried, n_duplicates, n_conflicts;
    bool counts_changed; /* these three since they were stored */
    df_job_flagged flagged; /* as in the store */
    uint64_t next_batch; /* of the upload */
    int64_t upload_ms; /* when the last batch came */
    char problem[DF_JOB_PROBLEM_BYTES]; /* why it stands still, or "" */
    int64_t retry_ms; /* when a stalled job, or one whose OUT is not given back, is tried again */
    bool has_files; /* in STATE/files are some that it needs, or needed */
    bool released; /* OUT holds nothing of ours but the results */
    struct df_out_lists *lists; /* while finishing */
    struct df_tar_shard *shard; /* that is being packed, of a tar job */
    uint64_t next_shard; /* all before it are finished */
    uint64_t finished_at_look; /* rows done or failed when the next shard was last found incomplete */
    df_rate rate;
    df_fair_turn turn; /* its share of the workers */
    uint64_t looked_at; /* ask_serial of the worker for whom it was last looked through */
    size_t n_able; /* workers that can do it, as counted when the worker table had changed able_at times */
    uint64_t able_at;
} df_job;

const char *df_job_state_name(df_job_state state);
bool df_job_apply(df_job *job, df_job_event event); /* false: not an edge of the table, nothing changed */

df_job *df_job_new(const df_job_spec *spec); /* copies the strings; NULL when out of memory */
void df_job_free(df_job **job);

bool df_job_is_tar(const df_job *job);
bool df_job_keeps_pictures(const df_job *job); /* format "none": hashes, flags and times are all that is kept */
bool df_job_is_live(const df_job *job); /* rows may still be finished */
uint64_t df_job_pending(const df_job *job); /* rows that nobody has */
void df_job_count_flagged(df_job *job, const df_job_flagged *more);

/* All jobs, oldest first. Owns them. */
typedef struct df_job_table {
    df_job **at;
    size_t n, cap;
    df_map by_id;
} df_job_table;

bool df_job_table_add(df_job_table *table, df_job *job); /* takes it on success */
df_job *df_job_table_find(const df_job_table *table, const char *job_id);
void df_job_table_remove(df_job_table *table, df_job *job); /* frees it */
void df_job_table_free(df_job_table *table);

#endif

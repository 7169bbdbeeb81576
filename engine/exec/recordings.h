/* A segment's work as the backend has recorded it (space.h): enqueued at one go from its third run on.
 *
 *   df_recordings_run(r, &key, enqueue, arg, &err);   plainly, or as recorded: the same work
 *   df_recordings_forget(r);                          before memory that was recorded is given back
 *
 * The first run of a key is plain: libraries make themselves ready in it, and much runs but once. The second records.
 * Where the backend cannot record, every run is plain. Threads: the stage's owner. */
#ifndef DF_ENGINE_EXEC_RECORDINGS_H
#define DF_ENGINE_EXEC_RECORDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/backend/space.h"

typedef struct df_recordings df_recordings;

/* All that the work depends on. */
typedef struct df_recording_key {
    int slot, segment;
    int64_t n_rows;
    bool still; /* kept results stand */
} df_recording_key;

df_code df_recordings_open(df_recordings **out, const df_space *space, void *ctx, df_err *err);
void df_recordings_close(df_recordings **r);
void df_recordings_forget(df_recordings *r);

/* enqueue(arg) does the work once. An error of its own in a plain run is the caller's. */
df_code df_recordings_run(df_recordings *r, const df_recording_key *key, df_code (*enqueue)(void *arg, df_err *err),
                          void *arg, df_err *err);

int df_recordings_count(const df_recordings *r); /* that there are */

#endif

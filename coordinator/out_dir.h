/* OUT: where a job's results appear, each whole or not at all, and never outside.
 *
 *   df_out_dir_claim("OUT", job_id, &err);           once, when the job is accepted
 *   df_out_dir_open(&d, "OUT", job_id, &err);        for each group of results
 *   df_out_dir_write(d, "images/000000/00000007.png", png, bytes, &err);   written beside, synced, renamed
 *   df_out_dir_sync(d, &err);                        the folders too: from here on a power cut loses none of them
 *   df_out_dir_close(&d);
 *   df_out_dir_release("OUT", job_id, &err);         when the job has ended
 *
 * While a job runs, OUT/.diffarm holds its id and the files being written; release removes it, so that OUT in the end
 * holds results and nothing else, whatever crashed before. Every folder on the way is opened without following links:
 * a symbolic link inside OUT cannot lead out (OUT itself may be one).
 * Errors of write: DF_EINVAL is about this one path (a link or a file in the way, a name too long); all others are
 * about OUT (full, unmounted, not writable) and may pass. */
#ifndef DF_COORDINATOR_OUT_DIR_H
#define DF_COORDINATOR_OUT_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/beside.h"

typedef struct df_out_dir df_out_dir;

/* DF_EEXIST unless OUT is absent, empty, or claimed by this very job. Hidden entries do not count. Changes nothing. */
df_code df_out_dir_check(const char *path, const char *job_id, df_err *err);
df_code df_out_dir_claim(const char *path, const char *job_id, df_err *err); /* checks, makes OUT, takes it */
df_code df_out_dir_claim_again(const char *path, const char *job_id, df_err *err); /* although it holds results */
df_code df_out_dir_release(const char *path, const char *job_id, df_err *err); /* not ours (any more) is fine */

df_code df_out_dir_open(df_out_dir **out, const char *path, const char *job_id, df_err *err);
void df_out_dir_close(df_out_dir **d);
df_code df_out_dir_write(df_out_dir *d, const char *relative, const void *data, size_t bytes, df_err *err);
/* The same in three steps, for several at once: all are written below OUT/.diffarm, then all are synced, while the disk
 * is at work on them already. Both are safe in several threads beside each other, though not beside other calls, if
 * each has a `place` of its own, 0..DF_OUT_DIR_ASIDE-1. After an error nothing of it is left. */
enum { DF_OUT_DIR_ASIDE = 64 };
df_code df_out_dir_write_aside(df_out_dir *d, int place, const void *data, size_t bytes, df_err *err);
df_code df_out_dir_sync_aside(df_out_dir *d, int place, df_err *err); /* of one that is written */
df_code df_out_dir_put_in(df_out_dir *d, int place, const char *relative, df_err *err); /* renamed; takes it */
void df_out_dir_drop_aside(df_out_dir *d, int place); /* not wanted any more */
/* df_out_dir_write for a file that a worker has written and synced beside OUT: DF_ENOTFOUND, it is not there. */
df_code df_out_dir_adopt(df_out_dir *d, const char *beside_name, const char *relative, df_err *err);
df_code df_out_dir_sync(df_out_dir *d, df_err *err);

/* A file that is written piece by piece: in OUT/.diffarm until it is put in place under its name at the top of OUT. */
int df_out_dir_begin(df_out_dir *d, const char *name, df_err *err); /* descriptor, -1 on error; caller closes it */
df_code df_out_dir_place(df_out_dir *d, const char *name, df_err *err); /* after fsync; then call df_out_dir_sync */
df_code df_out_dir_take_away(df_out_dir *d, const char *name, df_err *err); /* from the top of OUT; then sync */
void df_out_dir_drop(df_out_dir *d, const char *name); /* not wanted any more */

/* What was written before. Caller frees *data. DF_ENOTFOUND: not there; DF_EINVAL: a link, a folder, or too large. */
df_code df_out_dir_read(df_out_dir *d, const char *relative, size_t max_bytes, char **data, size_t *bytes, df_err *err);
/* Opened for reading; the caller closes *fd. Errors as above. */
df_code df_out_dir_open_file(df_out_dir *d, const char *relative, int *fd, df_err *err);
/* df_out_dir_read of an OUT that is perhaps no job's any more. Safe in any thread. */
df_code df_out_dir_read_from(const char *path, const char *relative, size_t max_bytes, char **data, size_t *bytes,
                             df_err *err);
df_code df_out_dir_has(df_out_dir *d, const char *name, bool *has, df_err *err); /* at the top of OUT */
void df_out_dir_remove(df_out_dir *d, const char *relative); /* with all below it, as far as that works */

#endif

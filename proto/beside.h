/* The shared sink: a picture goes from the worker to a file beside OUT, on a file system that both see, and only word
 * of it to the coordinator, which looks at the file and renames it into place.
 *
 *   OUT/.diffarm/job                       the id of the job that OUT belongs to, by which a worker knows it
 *   OUT/.diffarm/beside/TOKEN-ROW.png      written whole and synced before the Result that speaks of it
 *
 * The name holds the lease's token, so that no two workers ever write the same file, and one of an old lease is never
 * taken for one of a new. Every folder is opened without following links (OUT itself may be one). */
#ifndef DF_PROTO_BESIDE_H
#define DF_PROTO_BESIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DF_OUT_DIR_PRIVATE ".diffarm"
#define DF_OUT_DIR_CLAIM "job"
#define DF_BESIDE_DIR "beside"

enum { DF_BESIDE_NAME_BYTES = 96 };

/* "TOKEN-ROW.png"; false if this cannot be a token (it would be no file's name). */
bool df_beside_name(char out[DF_BESIDE_NAME_BYTES], const char *token, uint64_t row);
/* The length of the token in such a name; 0: it is none. */
size_t df_beside_token_chars(const char *name);

/* Writes, syncs and closes. DF_EEXIST: OUT is not (any more) that of the job; DF_ENOTFOUND: not seen from here. After
 * an error there is no file. */
df_code df_beside_write(const char *out_dir, const char *job_id, const char *token, uint64_t row, const void *png,
                        size_t bytes, df_err *err);

#endif

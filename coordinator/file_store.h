/* Files that rows need, kept by content in STATE/files: uploaded in pieces at submit, fetched in pieces by workers that
 * do not see their paths.
 *
 *   df_file_store_open(&s, state_dir, &err);
 *   df_file_store_put(s, &piece, &have_bytes, &err);      again with the next piece, until have_bytes is the whole
 *   df_file_store_sync(s, &err);                          before a job that needs them is accepted
 *   df_file_store_get(s, sha256, offset, to, max, &n, &total, &err);
 *   df_file_store_remove(s, sha256);
 *
 * A file has its name, files/AB/SHA256, only when it is whole, has that hash and is synced. Pieces of one that is not
 * whole lie in files/part and go on where they stopped, by whoever sends them; a restart forgets them. Memory does not
 * depend on the size of files. Threads: one. */
#ifndef DF_COORDINATOR_FILE_STORE_H
#define DF_COORDINATOR_FILE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DF_FILE_PIECE_BYTES = 1 << 20 };
#define DF_FILE_MAX_BYTES (INT64_C(64) << 30)

typedef struct df_file_store df_file_store;

typedef struct df_file_piece {
    const char *sha256; /* of the whole */
    uint64_t total_bytes, offset;
    const void *data;
    size_t bytes; /* 0: only asks how much is there */
} df_file_piece;

df_code df_file_store_open(df_file_store **out, const char *state_dir, df_err *err); /* writes nothing */
void df_file_store_close(df_file_store **s);

/* A piece that does not begin where the file ends is not taken, *have_bytes says where that is. DF_EINVAL: not what it
 * says it is; what was there of it is gone. DF_ENOSPACE: no room for the whole. */
df_code df_file_store_put(df_file_store *s, const df_file_piece *piece, uint64_t *have_bytes, df_err *err);
df_code df_file_store_sync(df_file_store *s, df_err *err);
/* DF_ENOTFOUND: not here, or not whole. */
df_code df_file_store_get(const df_file_store *s, const char *sha256, uint64_t offset, void *to, size_t max, size_t *n,
                          uint64_t *total, df_err *err);
df_code df_file_store_remove(df_file_store *s, const char *sha256, df_err *err); /* absent is fine */

#endif

/* A tar archive on its way to a file: a thin seam over libarchive.
 *
 *   df_tar_file_open(&t, fd, &err);
 *   df_tar_file_add(t, "00000007.png", png, bytes, &err);  ...
 *   df_tar_file_end(t, &bytes, sha256, &err);
 *   df_tar_file_close(&t);
 *
 * The bytes are a function of the names and contents added, in their order: ustar, plain files, mode 0644, owner 0:0
 * without names, time 0, no padding behind the two closing blocks. Nothing is synced; the descriptor stays the
 * caller's. */
#ifndef DF_COORDINATOR_TAR_FILE_H
#define DF_COORDINATOR_TAR_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

typedef struct df_tar_file df_tar_file;

df_code df_tar_file_open(df_tar_file **out, int fd, df_err *err);
void df_tar_file_close(df_tar_file **t); /* what was not ended stays cut off */

/* name: ASCII, at most 100 bytes. An error is final. */
df_code df_tar_file_add(df_tar_file *t, const char *name, const void *data, size_t bytes, df_err *err);
/* The size and hash of the whole archive. */
df_code df_tar_file_end(df_tar_file *t, uint64_t *bytes, char sha256[DF_SHA256_HEX_BYTES], df_err *err);

#endif

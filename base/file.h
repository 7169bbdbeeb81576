/* Files that appear whole or not at all, and folders.
 *
 * df_file_write writes beside (PATH.tmp-PID-N), syncs, renames, and syncs the folder: after a crash PATH holds the old
 * bytes or the new ones. A failed write removes what it had begun and names path and reason (DF_ENOSPACE when the
 * disk is full). */
#ifndef DF_BASE_FILE_H
#define DF_BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

df_code df_file_write(const char *path, const void *data, size_t bytes, df_err *err);

/* Whole file into memory, a 0 byte behind it that *bytes does not count. Caller frees *data.
 * DF_ELIMIT if it is larger than max_bytes. */
df_code df_file_read(const char *path, size_t max_bytes, char **data, size_t *bytes, df_err *err);

df_code df_file_mkdirs(const char *path, df_err *err); /* like mkdir -p, mode 0777 less umask */
df_code df_file_remove_tree(const char *path, df_err *err); /* like rm -rf; follows no link; absent is fine */

#endif

/* A sync that failed has thrown away what it was to write: Linux marks the pages clean, and the next sync succeeds
 * without them. Transactions that were committed without a sync lie in front of later ones in the write-ahead log, so
 * with them all later ones would be lost in a power cut, synced or not. Written again, byte for byte, the log is dirty
 * as a whole, and a sync that then succeeds has kept it.
 * Source: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "coordinator/store_internal.h"

enum { CHUNK_BYTES = 1 << 16 };

/* 0, or an errno. */
static int copy_onto_itself(int from, int to, char *chunk) {
    ssize_t n;
    while ((n = df_disk_read(from, chunk, CHUNK_BYTES)) > 0)
        if (df_disk_write_all(to, chunk, (size_t)n)) return errno;
    return n < 0 || df_disk_fsync(to) ? errno : 0;
}

df_code df_store_rewrite_log(const char *path, df_err *err) {
    char name[4096], *chunk = malloc(CHUNK_BYTES);
    if (!chunk) return df_err_set(err, DF_ENOMEM, "%s", path);
    snprintf(name, sizeof name, "%s-wal", path);
    int why = 0, to = -1, from = df_disk_openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (from < 0 || (to = df_disk_openat(AT_FDCWD, name, O_WRONLY | O_CLOEXEC, 0)) < 0) why = errno;
    if (!why) why = copy_onto_itself(from, to, chunk);
    if (to >= 0) df_disk_close(to);
    if (from >= 0) df_disk_close(from);
    free(chunk);
    return why && why != ENOENT ? df_err_errno(err, why, "%s: write the log again", name) : DF_OK;
}

#include "coordinator/tar_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/disk.h"

enum { BLOCK_BYTES = 1 << 20 };

struct df_tar_file {
    struct archive *archive;
    struct archive_entry *entry; /* used again for each member */
    df_sha256 *hash;
    uint64_t bytes;
    int fd; /* borrowed */
    int why; /* errno of a write that failed */
    bool deaf; /* nothing more is written */
};

/* Tells libarchive of no failure: 3.6 would keep its buffers for ever. The callers look at `why`. */
static la_ssize_t write_block(struct archive *archive, void *ctx, const void *data, size_t bytes) {
    (void)archive;
    df_tar_file *t = ctx;
    ssize_t n;
    if (t->deaf) return (la_ssize_t)bytes;
    do n = df_disk_write(t->fd, data, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        t->why = errno;
        t->deaf = true;
        return (la_ssize_t)bytes;
    }
    df_sha256_add(t->hash, data, (size_t)n);
    t->bytes += (uint64_t)n;
    return n;
}

/* Of a write to the disk, or what libarchive says. */
static df_code failed(const df_tar_file *t, const char *what, df_err *err) {
    if (t->why) return df_err_errno(err, t->why, "%s", what);
    const char *text = archive_error_string(t->archive);
    return df_err_set(err, DF_EIO, "%s: libarchive: %s", what, text ? text : "no reason given");
}

static df_code set_up(df_tar_file *t, df_err *err) {
    t->archive = archive_write_new();
    t->entry = archive_entry_new();
    t->hash = df_sha256_new();
    if (!t->archive || !t->entry || !t->hash) return df_err_set(err, DF_ENOMEM, "a tar archive");
    if (archive_write_set_format_ustar(t->archive) || archive_write_add_filter_none(t->archive) ||
        archive_write_set_bytes_per_block(t->archive, BLOCK_BYTES) ||
        archive_write_set_bytes_in_last_block(t->archive, 1) ||
        archive_write_open(t->archive, t, NULL, write_block, NULL))
        return failed(t, "begin a tar archive", err);
    return DF_OK;
}

df_code df_tar_file_open(df_tar_file **out, int fd, df_err *err) {
    df_tar_file *t = calloc(1, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "a tar archive");
    t->fd = fd;
    df_code rc = set_up(t, err);
    if (rc)
        df_tar_file_close(&t);
    else
        *out = t;
    return rc;
}

void df_tar_file_close(df_tar_file **t) {
    char unused[DF_SHA256_HEX_BYTES];
    if (!t || !*t) return;
    (*t)->deaf = true; /* to the end that libarchive writes now */
    if ((*t)->archive) archive_write_free((*t)->archive);
    archive_entry_free((*t)->entry);
    if ((*t)->hash) df_sha256_end(&(*t)->hash, unused);
    free(*t);
    *t = NULL;
}

df_code df_tar_file_add(df_tar_file *t, const char *name, const void *data, size_t bytes, df_err *err) {
    archive_entry_clear(t->entry);
    archive_entry_set_pathname(t->entry, name);
    archive_entry_set_filetype(t->entry, AE_IFREG);
    archive_entry_set_perm(t->entry, 0644);
    archive_entry_set_size(t->entry, (la_int64_t)bytes);
    archive_entry_set_mtime(t->entry, 0, 0);
    if (archive_write_header(t->archive, t->entry)) return failed(t, name, err);
    if (bytes && archive_write_data(t->archive, data, bytes) != (la_ssize_t)bytes) return failed(t, name, err);
    if (t->why) return failed(t, name, err);
    return DF_OK;
}

df_code df_tar_file_end(df_tar_file *t, uint64_t *bytes, char sha256[DF_SHA256_HEX_BYTES], df_err *err) {
    if (archive_write_close(t->archive) || t->why) return failed(t, "end a tar archive", err);
    df_sha256_end(&t->hash, sha256);
    *bytes = t->bytes;
    return DF_OK;
}

#include "coordinator/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"

enum { BLOCK_BYTES = 1 << 18 };

struct df_tar_reader {
    struct archive *archive;
    struct archive_entry *entry; /* libarchive's, of the member that was read last */
    int fd, why; /* errno of a read that failed */
    bool is_waiting; /* the entry has not been asked for yet */
    bool is_over;
    char block[BLOCK_BYTES];
};

static la_ssize_t read_block(struct archive *archive, void *ctx, const void **data) {
    df_tar_reader *r = ctx;
    ssize_t n;
    do n = df_disk_read(r->fd, r->block, sizeof r->block);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        r->why = errno;
        archive_set_error(archive, errno, "read");
    }
    *data = r->block;
    return n;
}

df_code df_tar_reader_open(df_tar_reader **out, int fd, df_err *err) {
    df_tar_reader *r = malloc(sizeof *r);
    if (r) {
        *r = (df_tar_reader) { .fd = fd, .archive = archive_read_new() };
        if (r->archive && !archive_read_support_format_tar(r->archive)) {
            r->is_over = archive_read_open(r->archive, r, NULL, read_block, NULL) != ARCHIVE_OK;
            *out = r;
            return DF_OK;
        }
        if (r->archive) archive_read_free(r->archive);
    }
    free(r);
    df_disk_close(fd);
    return df_err_set(err, DF_ENOMEM, "a tar archive");
}

void df_tar_reader_close(df_tar_reader **r) {
    if (!r || !*r) return;
    archive_read_free((*r)->archive);
    df_disk_close((*r)->fd);
    free(*r);
    *r = NULL;
}

static df_code ended(df_tar_reader *r, df_code code, df_err *err) {
    r->is_over = true;
    if (r->why) return df_err_errno(err, r->why, "read");
    const char *text = archive_error_string(r->archive);
    return df_err_set(err, code, "%s", code == DF_ENOTFOUND ? "no more members" : text ? text : "not a tar archive");
}

df_code df_tar_reader_next(df_tar_reader *r, const char **name, df_err *err) {
    if (r->is_over) return ended(r, DF_EFORMAT, err);
    int rc = archive_read_next_header(r->archive, &r->entry);
    if (rc == ARCHIVE_EOF) return ended(r, DF_ENOTFOUND, err);
    if (rc != ARCHIVE_OK || !(*name = archive_entry_pathname(r->entry))) return ended(r, DF_EFORMAT, err);
    r->is_waiting = true;
    return DF_OK;
}

df_code df_tar_reader_take(df_tar_reader *r, size_t max_bytes, char **data, size_t *bytes, df_err *err) {
    la_int64_t size = archive_entry_size(r->entry);
    r->is_waiting = false;
    if (archive_entry_filetype(r->entry) != AE_IFREG || size < 0 || (uint64_t)size > max_bytes)
        return df_err_set(err, DF_EFORMAT, "no plain file of at most %zu bytes", max_bytes);
    if (!(*data = malloc((size_t)size + 1))) return df_err_set(err, DF_ENOMEM, "%lld bytes", (long long)size);
    if (archive_read_data(r->archive, *data, (size_t)size) != size) {
        free(*data);
        return ended(r, DF_EFORMAT, err);
    }
    (*data)[size] = '\0';
    *bytes = (size_t)size;
    return DF_OK;
}

df_code df_tar_reader_find(df_tar_reader *r, const char *name, size_t max_bytes, char **data, size_t *bytes,
                           df_err *err) {
    df_code rc = r->is_over ? DF_EFORMAT : DF_OK;
    const char *at = r->is_waiting ? archive_entry_pathname(r->entry) : NULL;
    while (!rc && (!at || strcmp(at, name) < 0)) rc = df_tar_reader_next(r, &at, err);
    if (!rc && strcmp(at, name) != 0) rc = DF_ENOTFOUND;
    if (!rc) rc = df_tar_reader_take(r, max_bytes, data, bytes, err);
    return rc == DF_EFORMAT || rc == DF_ENOTFOUND ? df_err_set(err, DF_ENOTFOUND, "%s: not in the archive", name) : rc;
}

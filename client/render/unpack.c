#include "client/render/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { BLOCK_BYTES = 1 << 16, MAX_KEY_DIGITS = 20 };

/* Only what the farm itself writes: digits, then ".png". No other name reaches the file system. */
static bool is_picture(const char *name) {
    size_t n = name ? strspn(name, "0123456789") : 0;
    return n && n <= MAX_KEY_DIGITS && !strcmp(name + n, ".png");
}

static df_code copy_data(struct archive *a, FILE *to, const char *path, df_err *err) {
    char block[BLOCK_BYTES];
    la_ssize_t n;
    while ((n = archive_read_data(a, block, sizeof block)) > 0)
        if (fwrite(block, 1, (size_t)n, to) != (size_t)n) return df_err_errno(err, errno, "%s: write", path);
    return n ? df_err_set(err, DF_EFORMAT, "%s", archive_error_string(a)) : DF_OK;
}

static df_code unpack_one(struct archive *a, const char *to_dir, const char *name, df_err *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", to_dir, name) >= (int)sizeof path)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", to_dir);
    FILE *to = fopen(path, "wxe");
    if (!to) return df_err_errno(err, errno, "%s", path);
    df_code rc = copy_data(a, to, path, err);
    if (fclose(to) && !rc) rc = df_err_errno(err, errno, "%s: write", path);
    return rc;
}

static df_code unpack_all(struct archive *a, const char *to_dir, df_err *err) {
    struct archive_entry *entry;
    df_code rc = DF_OK;
    int end;
    while (!rc && (end = archive_read_next_header(a, &entry)) == ARCHIVE_OK)
        if (is_picture(archive_entry_pathname(entry))) rc = unpack_one(a, to_dir, archive_entry_pathname(entry), err);
    if (!rc && end != ARCHIVE_EOF) rc = df_err_set(err, DF_EFORMAT, "%s", archive_error_string(a));
    return rc;
}

static df_code unpack(const char *shard, const char *to_dir, df_err *err) {
    df_err why;
    df_code rc = df_file_mkdirs(to_dir, err);
    if (rc) return rc;
    struct archive *a = archive_read_new();
    if (!a) return df_err_set(err, DF_ENOMEM, "%s", shard);
    if (archive_read_support_format_tar(a) || archive_read_open_filename(a, shard, BLOCK_BYTES))
        rc = df_err_set(&why, DF_EFORMAT, "%s", archive_error_string(a));
    if (!rc) rc = unpack_all(a, to_dir, &why);
    archive_read_free(a);
    return rc ? df_err_set(err, rc, "%s: %s", shard, why.text) : DF_OK;
}

df_code df_unpack_shards(const char *out_dir, const char *to_dir, bool *any, df_err *err) {
    char from[PATH_MAX], to[PATH_MAX];
    df_code rc = DF_OK;
    *any = false;
    for (unsigned number = 0; !rc; number++) {
        int n = snprintf(from, sizeof from, "%s/shard-%06u.tar", out_dir, number);
        int m = snprintf(to, sizeof to, "%s/shard-%06u.tar", to_dir, number);
        if (n >= (int)sizeof from || m >= (int)sizeof to)
            return df_err_set(err, DF_ELIMIT, "%s: path too long", out_dir);
        if (access(from, F_OK)) break;
        *any = true;
        rc = unpack(from, to, err);
    }
    return rc;
}

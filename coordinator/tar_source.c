#include "coordinator/tar_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "coordinator/tar_reader.h"
#include "coordinator/tar_shard.h"

enum { MAX_PICTURE_BYTES = 256 << 20 };

struct df_tar_source {
    df_out_dir *dir; /* borrowed */
    df_tar_reader *packed; /* NULL: no such archive */
};

df_code df_tar_source_open(df_tar_source **out, df_out_dir *dir, const char *archive, df_err *err) {
    df_tar_source *s = calloc(1, sizeof *s);
    int fd = -1;
    if (!s) return df_err_set(err, DF_ENOMEM, "a tar shard");
    s->dir = dir;
    df_code rc = archive ? df_out_dir_open_file(dir, archive, &fd, err) : DF_ENOTFOUND;
    if (!rc) rc = df_tar_reader_open(&s->packed, fd, err);
    if (rc && rc != DF_ENOTFOUND && rc != DF_EINVAL)
        df_tar_source_close(&s);
    else
        rc = DF_OK;
    *out = s;
    return rc;
}

void df_tar_source_close(df_tar_source **s) {
    if (!s || !*s) return;
    df_tar_reader_close(&(*s)->packed);
    free(*s);
    *s = NULL;
}

/* Keeps *png if it has these bytes. What cannot be there (DF_ENOTFOUND, a link in its place) is none, not an error. */
static df_code keep_if(df_code rc, const char *sha256, char **png, const size_t *bytes) {
    char got[DF_SHA256_HEX_BYTES];
    if (rc) {
        *png = NULL;
        return rc == DF_ENOTFOUND || rc == DF_EINVAL ? DF_OK : rc;
    }
    df_sha256_of(*png, *bytes, got);
    if (!strcmp(got, sha256)) return DF_OK;
    free(*png);
    *png = NULL;
    return DF_OK;
}

df_code df_tar_source_read(df_tar_source *s, uint64_t row, const char *sha256, char **png, size_t *bytes, df_err *err) {
    char name[DF_TAR_SHARD_PATH_BYTES];
    df_tar_shard_loose(name, row);
    df_code rc = keep_if(df_out_dir_read(s->dir, name, MAX_PICTURE_BYTES, png, bytes, err), sha256, png, bytes);
    if (rc || *png || !s->packed) return rc;
    snprintf(name, sizeof name, "%08" PRIu64 ".png", row);
    return keep_if(df_tar_reader_find(s->packed, name, MAX_PICTURE_BYTES, png, bytes, err), sha256, png, bytes);
}

#include "coordinator/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "coordinator/png_check.h"
#include "proto/beside.h"
#include "proto/envelope.h"

/* looking */

static df_code check(const df_adoptee *is, const void *png, size_t bytes, df_err *err) {
    df_png_look look;
    if (bytes != is->bytes)
        return df_err_set(err, DF_EFORMAT, "picture beside OUT has %zu bytes, %" PRIu64 " were told", bytes, is->bytes);
    df_png_look_at(&look, png, bytes);
    df_code rc = df_png_look_check(&look, is->width, is->height, err);
    if (rc || !strcmp(look.sha256, is->sha256)) return rc;
    return df_err_set(err, DF_EFORMAT, "picture beside OUT has sha256 %.8s, %.8s was told", look.sha256, is->sha256);
}

df_code df_adopt_look(df_out_dir *dir, const df_adoptee *is, df_err *err) {
    char name[DF_BESIDE_NAME_BYTES], path[sizeof DF_OUT_DIR_PRIVATE + sizeof DF_BESIDE_DIR + sizeof name];
    char *png;
    size_t bytes;
    if (!df_beside_name(name, is->token, is->row)) return df_err_set(err, DF_EFORMAT, "no token: %.64s", is->token);
    snprintf(path, sizeof path, "%s/%s/%s", DF_OUT_DIR_PRIVATE, DF_BESIDE_DIR, name);
    df_err why;
    df_code rc = df_out_dir_read(dir, path, DF_WIRE_MAX_BLOB_BYTES, &png, &bytes, &why);
    if (rc == DF_EINVAL) rc = DF_EFORMAT; /* a link, a folder, too large: about the file, not its place */
    if (rc) return df_err_set(err, rc, "%s", why.text);
    rc = check(is, png, bytes, err);
    free(png);
    return rc;
}

df_code df_adopt_put_in(df_out_dir *dir, const df_adoptee *is, const char *relative, df_err *err) {
    char name[DF_BESIDE_NAME_BYTES];
    if (!df_beside_name(name, is->token, is->row)) return df_err_set(err, DF_EFORMAT, "no token: %.64s", is->token);
    return df_out_dir_adopt(dir, name, relative, err);
}

/* throwing away */

/* The folder of such files; -1 if there is none, or it cannot be reached. */
static int open_beside(const df_job *job) {
    enum { FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };
    int out = df_disk_openat(AT_FDCWD, job->spec.out_dir, FOLDER, 0);
    int private_fd = out < 0 ? -1 : df_disk_openat(out, DF_OUT_DIR_PRIVATE, FOLDER | O_NOFOLLOW, 0);
    int beside = private_fd < 0 ? -1 : df_disk_openat(private_fd, DF_BESIDE_DIR, FOLDER | O_NOFOLLOW, 0);
    if (private_fd >= 0) df_disk_close(private_fd);
    if (out >= 0) df_disk_close(out);
    return beside;
}

void df_adopt_drop(const df_job *job, const char *token, const uint64_t *rows, size_t n) {
    char name[DF_BESIDE_NAME_BYTES];
    int folder = job->spec.shared_sink && n ? open_beside(job) : -1;
    if (folder < 0) return;
    for (size_t i = 0; i < n; i++)
        if (df_beside_name(name, token, rows[i])) df_disk_unlinkat(folder, name, 0);
    df_disk_close(folder);
}

typedef struct sweeping {
    const df_lease_table *leases;
    int folder;
} sweeping;

static int sweep_file(void *ctx, const char *name) {
    const sweeping *s = ctx;
    char token[DF_LEASE_TOKEN_BYTES];
    size_t n = df_beside_token_chars(name);
    snprintf(token, sizeof token, "%.*s", (int)(n < sizeof token ? n : 0), name);
    const df_lease *lease = df_lease_table_find(s->leases, token);
    if (!lease || !df_lease_is_live(lease)) df_disk_unlinkat(s->folder, name, 0);
    return 0;
}

void df_adopt_sweep(const df_job *job, const df_lease_table *leases) {
    sweeping s = { leases, job->spec.shared_sink ? open_beside(job) : -1 };
    if (s.folder < 0) return;
    df_disk_list(s.folder, sweep_file, &s);
    df_disk_close(s.folder);
}

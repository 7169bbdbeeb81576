#include "proto/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/disk.h"

enum { MAX_TOKEN_CHARS = 63, FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

bool df_beside_name(char out[DF_BESIDE_NAME_BYTES], const char *token, uint64_t row) {
    size_t n = strlen(token);
    out[0] = '\0';
    if (!n || n > MAX_TOKEN_CHARS || strspn(token, "0123456789abcdef-") != n) return false;
    snprintf(out, DF_BESIDE_NAME_BYTES, "%s-%" PRIu64 ".png", token, row);
    return true;
}

size_t df_beside_token_chars(const char *name) {
    const char *dash = strrchr(name, '-');
    return dash ? (size_t)(dash - name) : 0;
}

/* Both are called OUT, but is it the same folder? */
static df_code check_claim(int private_fd, const char *out_dir, const char *job_id, df_err *err) {
    char id[64];
    int fd = df_disk_openat(private_fd, DF_OUT_DIR_CLAIM, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return df_err_errno(err, errno, "%s/%s/%s", out_dir, DF_OUT_DIR_PRIVATE, DF_OUT_DIR_CLAIM);
    ssize_t n = df_disk_read(fd, id, sizeof id - 1);
    int why = errno;
    df_disk_close(fd);
    if (n < 0) return df_err_errno(err, why, "%s/%s/%s", out_dir, DF_OUT_DIR_PRIVATE, DF_OUT_DIR_CLAIM);
    id[n] = '\0';
    if (!strcmp(id, job_id)) return DF_OK;
    return df_err_set(err, DF_EEXIST, "%s: belongs to job \"%.16s\", not to %s", out_dir, id, job_id);
}

/* The folder of such files, made if it is not there; -1 with an error. */
static int open_beside(int private_fd, const char *out_dir, df_err *err) {
    if (df_disk_mkdirat(private_fd, DF_BESIDE_DIR, 0777) && errno != EEXIST) {
        df_err_errno(err, errno, "%s/%s/%s", out_dir, DF_OUT_DIR_PRIVATE, DF_BESIDE_DIR);
        return -1;
    }
    int fd = df_disk_openat(private_fd, DF_BESIDE_DIR, FOLDER | O_NOFOLLOW, 0);
    if (fd < 0) df_err_errno(err, errno, "%s/%s/%s", out_dir, DF_OUT_DIR_PRIVATE, DF_BESIDE_DIR);
    return fd;
}

static int open_folder(const char *out_dir, const char *job_id, df_err *err) {
    int out = df_disk_openat(AT_FDCWD, out_dir, FOLDER, 0), beside = -1;
    int private_fd = out < 0 ? -1 : df_disk_openat(out, DF_OUT_DIR_PRIVATE, FOLDER | O_NOFOLLOW, 0);
    if (private_fd < 0)
        df_err_errno(err, errno, "%s/%s", out_dir, DF_OUT_DIR_PRIVATE);
    else if (!check_claim(private_fd, out_dir, job_id, err))
        beside = open_beside(private_fd, out_dir, err);
    if (private_fd >= 0) df_disk_close(private_fd);
    if (out >= 0) df_disk_close(out);
    return beside;
}

/* One that is there already was cut short by an error; it is never written over, for after a power cut it may be a
 * second name of a picture that is in place. 0, or an errno. */
static int write_file(int folder, const char *name, const void *data, size_t bytes) {
    if (df_disk_unlinkat(folder, name, 0) && errno != ENOENT) return errno;
    int fd = df_disk_openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return errno;
    int why = df_disk_write_all(fd, data, bytes) || df_disk_fsync(fd) ? errno : 0;
    if (df_disk_close(fd) && !why) why = errno;
    if (why) df_disk_unlinkat(folder, name, 0);
    return why;
}

df_code df_beside_write(const char *out_dir, const char *job_id, const char *token, uint64_t row, const void *png,
                        size_t bytes, df_err *err) {
    char name[DF_BESIDE_NAME_BYTES];
    if (!df_beside_name(name, token, row)) return df_err_set(err, DF_EINVAL, "token \"%.64s\": not a token", token);
    df_err why = { 0 };
    int folder = open_folder(out_dir, job_id, &why);
    if (folder < 0) return df_err_set(err, why.code, "%s", why.text);
    int failed = write_file(folder, name, png, bytes);
    df_disk_close(folder);
    if (!failed) return DF_OK;
    return df_err_errno(err, failed, "%s/%s/%s/%s", out_dir, DF_OUT_DIR_PRIVATE, DF_BESIDE_DIR, name);
}

#define _XOPEN_SOURCE 700
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static df_code write_all(int fd, const char *data, size_t bytes) {
    while (bytes) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return DF_EIO;
        data += n;
        bytes -= (size_t)n;
    }
    return DF_OK;
}

/* The rename is durable only once the folder is. */
static int sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int rc = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

df_code df_file_write(const char *path, const void *data, size_t bytes, df_err *err) {
    static atomic_uint serial;
    char beside[PATH_MAX];
    int n = snprintf(beside, sizeof beside, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (n < 0 || (size_t)n >= sizeof beside) return df_err_set(err, DF_ELIMIT, "%s: path too long", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return df_err_errno(err, errno, "%s: create", path);
    int failed = write_all(fd, data, bytes) || fsync(fd);
    int why = errno;
    if (close(fd) && !failed) {
        failed = 1;
        why = errno;
    }
    if (!failed && rename(beside, path)) {
        failed = 1;
        why = errno;
    }
    if (failed) {
        unlink(beside);
        return df_err_errno(err, why, "%s: write %zu bytes", path, bytes);
    }
    if (sync_folder_of(path)) return df_err_errno(err, errno, "%s: sync its folder", path);
    return DF_OK;
}

df_code df_file_read(const char *path, size_t max_bytes, char **data, size_t *bytes, df_err *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block the open */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!f || fstat(fd, &st)) {
        int why = errno;
        if (f)
            fclose(f);
        else if (fd >= 0)
            close(fd);
        return df_err_errno(err, why, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        fclose(f);
        return df_err_set(err, DF_EINVAL, "%s: not a regular file", path);
    }
    if ((size_t)st.st_size > max_bytes) {
        fclose(f);
        return df_err_set(err, DF_ELIMIT, "%s: %lld bytes, at most %zu are read", path, (long long)st.st_size,
                          max_bytes);
    }
    char *all = malloc((size_t)st.st_size + 1);
    size_t n = all ? fread(all, 1, (size_t)st.st_size, f) : 0;
    int bad = ferror(f);
    fclose(f);
    if (!all || bad) {
        free(all);
        return bad ? df_err_set(err, DF_EIO, "%s: read failed", path)
                   : df_err_set(err, DF_ENOMEM, "%s: %lld bytes", path, (long long)st.st_size);
    }
    all[n] = '\0';
    *data = all;
    *bytes = n;
    return DF_OK;
}

df_code df_file_mkdirs(const char *path, df_err *err) {
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/') continue;
        char end = *p;
        *p = '\0';
        struct stat st;
        if (mkdir(part, 0777) && !(errno == EEXIST && !stat(part, &st) && S_ISDIR(st.st_mode)))
            return df_err_errno(err, errno, "%s: make folder", part);
        if (!end) return DF_OK;
        *p = end;
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

df_code df_file_remove_tree(const char *path, df_err *err) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return df_err_errno(err, errno, "%s: remove", path);
    return DF_OK;
}

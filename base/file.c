#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"

/* The rename is durable only once the folder is. */
static int sync_folder_of(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder] = '\0';
    int fd = df_disk_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int rc = df_disk_fsync(fd), saved = errno;
    df_disk_close(fd);
    errno = saved;
    return rc;
}

df_code df_file_write(const char *path, const void *data, size_t bytes, df_err *err) {
    static atomic_uint serial;
    char beside[PATH_MAX];
    int n = snprintf(beside, sizeof beside, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (n < 0 || (size_t)n >= sizeof beside) return df_err_set(err, DF_ELIMIT, "%s: path too long", path);
    int fd = df_disk_openat(AT_FDCWD, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return df_err_errno(err, errno, "%s: create", path);
    int failed = df_disk_write_all(fd, data, bytes) || df_disk_fsync(fd);
    int why = errno;
    if (df_disk_close(fd) && !failed) {
        failed = 1;
        why = errno;
    }
    if (!failed && df_disk_renameat(AT_FDCWD, beside, AT_FDCWD, path)) {
        failed = 1;
        why = errno;
    }
    if (failed) {
        df_disk_unlinkat(AT_FDCWD, beside, 0);
        return df_err_errno(err, why, "%s: write %zu bytes", path, bytes);
    }
    if (sync_folder_of(path)) return df_err_errno(err, errno, "%s: sync its folder", path);
    return DF_OK;
}

/* 0, or an errno. A file that became shorter is read as far as it goes. */
static int read_whole(int fd, char *to, size_t bytes, size_t *n) {
    for (*n = 0; *n < bytes;) {
        ssize_t got = df_disk_read(fd, to + *n, bytes - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (!got) break;
        *n += (size_t)got;
    }
    return 0;
}

static df_code read_open(int fd, const char *path, size_t max_bytes, char **data, size_t *bytes, df_err *err) {
    struct stat st;
    if (df_disk_fstat(fd, &st)) return df_err_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode)) return df_err_set(err, DF_EINVAL, "%s: not a regular file", path);
    if ((size_t)st.st_size > max_bytes)
        return df_err_set(err, DF_ELIMIT, "%s: %lld bytes, at most %zu are read", path, (long long)st.st_size,
                          max_bytes);
    char *all = malloc((size_t)st.st_size + 1);
    if (!all) return df_err_set(err, DF_ENOMEM, "%s: %lld bytes", path, (long long)st.st_size);
    int why = read_whole(fd, all, (size_t)st.st_size, bytes);
    if (why) {
        free(all);
        return df_err_errno(err, why, "%s: read", path);
    }
    all[*bytes] = '\0';
    *data = all;
    return DF_OK;
}

df_code df_file_read(const char *path, size_t max_bytes, char **data, size_t *bytes, df_err *err) {
    int fd = df_disk_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0); /* a pipe must not block the open */
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    df_code rc = read_open(fd, path, max_bytes, data, bytes, err);
    df_disk_close(fd);
    return rc;
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
        if (df_disk_mkdirat(AT_FDCWD, part, 0777) &&
            !(errno == EEXIST && !df_disk_fstatat(AT_FDCWD, part, &st, 0) && S_ISDIR(st.st_mode)))
            return df_err_errno(err, errno, "%s: make folder", part);
        if (!end) return DF_OK;
        *p = end;
    }
}

enum { MAX_DEPTH = 256 };

typedef struct removal {
    int fd; /* of the folder whose entries go */
    int depth;
} removal;

/* A folder with all below it, or anything else. */
static int remove_entry(void *ctx, const char *name) {
    const removal *in = ctx;
    if (!df_disk_unlinkat(in->fd, name, 0)) return 0;
    if (errno != EISDIR && errno != EPERM) return -1; /* Linux says EISDIR, POSIX EPERM */
    if (in->depth == MAX_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    removal below = { df_disk_openat(in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0), in->depth + 1 };
    if (below.fd < 0) return -1;
    int failed = df_disk_list(below.fd, remove_entry, &below), why = errno;
    df_disk_close(below.fd);
    errno = why;
    return failed ? -1 : df_disk_unlinkat(in->fd, name, AT_REMOVEDIR);
}

df_code df_file_remove_tree(const char *path, df_err *err) {
    if (remove_entry(&(removal) { .fd = AT_FDCWD }, path) && errno != ENOENT)
        return df_err_errno(err, errno, "%s: remove", path);
    return DF_OK;
}

#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static int os_openat(int at, const char *path, int flags, mode_t mode) {
    return openat(at, path, flags, mode);
}

static int os_dup(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int os_fsync(int fd) {
    return fsync(fd);
}

static void os_begin_sync(int fd) {
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int os_list(int fd, df_disk_entry_fn take, void *ctx) {
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    if (!dir) {
        int why = errno;
        if (own >= 0) close(own);
        errno = why;
        return -1;
    }
    int rc = 0;
    errno = 0;
    for (struct dirent *e; !rc && (e = readdir(dir)); errno = 0)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) rc = take(ctx, e->d_name);
    int why = errno;
    closedir(dir);
    errno = why;
    return !rc && why ? -1 : rc;
}

static const df_disk os = {
    .openat = os_openat,
    .dup = os_dup,
    .close = close,
    .read = read,
    .write = write,
    .fsync = os_fsync,
    .begin_sync = os_begin_sync,
    .syncfs = syncfs,
    .fstat = fstat,
    .fstatat = fstatat,
    .mkdirat = mkdirat,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .list = os_list,
};

static const df_disk *used = &os;

void df_disk_use(const df_disk *disk) {
    used = disk ? disk : &os;
}

int df_disk_openat(int at, const char *path, int flags, mode_t mode) {
    return used->openat(at, path, flags, mode);
}

int df_disk_dup(int fd) {
    return used->dup(fd);
}

int df_disk_close(int fd) {
    return used->close(fd);
}

ssize_t df_disk_read(int fd, void *data, size_t bytes) {
    return used->read(fd, data, bytes);
}

ssize_t df_disk_write(int fd, const void *data, size_t bytes) {
    return used->write(fd, data, bytes);
}

int df_disk_write_all(int fd, const void *data, size_t bytes) {
    for (const char *at = data; bytes;) {
        ssize_t n = df_disk_write(fd, at, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int df_disk_fsync(int fd) {
    return used->fsync(fd);
}

void df_disk_begin_sync(int fd) {
    used->begin_sync(fd);
}

int df_disk_syncfs(int fd) {
    return used->syncfs(fd);
}

int df_disk_fstat(int fd, struct stat *is) {
    return used->fstat(fd, is);
}

int df_disk_fstatat(int at, const char *path, struct stat *is, int flags) {
    return used->fstatat(at, path, is, flags);
}

int df_disk_mkdirat(int at, const char *path, mode_t mode) {
    return used->mkdirat(at, path, mode);
}

int df_disk_renameat(int from_at, const char *from, int to_at, const char *to) {
    return used->renameat(from_at, from, to_at, to);
}

int df_disk_unlinkat(int at, const char *path, int flags) {
    return used->unlinkat(at, path, flags);
}

int df_disk_list(int fd, df_disk_entry_fn take, void *ctx) {
    return used->list(fd, take, ctx);
}

static ssize_t stream_write(void *cookie, const char *data, size_t bytes) {
    ssize_t n;
    do n = df_disk_write((int)(intptr_t)cookie, data, bytes);
    while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : n; /* fopencookie: 0 is the error */
}

FILE *df_disk_stream(int fd) {
    return fopencookie((void *)(intptr_t)fd, "w", (cookie_io_functions_t) { .write = stream_write });
}

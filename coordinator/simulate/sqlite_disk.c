#include "coordinator/simulate/sqlite_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/simulate/disk.h"

enum { SECTOR = 4096, PATH_BYTES = 512 };

typedef struct file {
    sqlite3_file base;
    int fd;
    bool folder_is_dirty; /* made by this opening: its name is synced with its first bytes, as SQLite does on Unix */
    char folder[PATH_BYTES];
} file;

static int sync_folder(const char *folder) {
    int fd = df_disk_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return -1;
    int rc = df_disk_fsync(fd);
    df_disk_close(fd);
    return rc;
}

static int file_close(sqlite3_file *base) {
    df_disk_close(((file *)base)->fd);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *data, int n, sqlite3_int64 at) {
    ssize_t got = df_sim_disk_pread(((file *)base)->fd, data, (size_t)n, (size_t)at);
    if (got < 0) return SQLITE_IOERR_READ;
    if (got == n) return SQLITE_OK;
    memset((char *)data + got, 0, (size_t)(n - got));
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int n, sqlite3_int64 at) {
    ssize_t put = df_sim_disk_pwrite(((file *)base)->fd, data, (size_t)n, (size_t)at);
    if (put == n) return SQLITE_OK;
    return put >= 0 || errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 n) {
    return df_sim_disk_truncate(((file *)base)->fd, (size_t)n) ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags) {
    file *f = (file *)base;
    (void)flags;
    if (df_disk_fsync(f->fd)) return SQLITE_IOERR_FSYNC;
    if (f->folder_is_dirty && sync_folder(f->folder)) return SQLITE_IOERR_DIR_FSYNC;
    f->folder_is_dirty = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *n) {
    struct stat is;
    if (df_disk_fstat(((file *)base)->fd, &is)) return SQLITE_IOERR_FSTAT;
    *n = is.st_size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level) {
    (void)base, (void)level;
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *is) {
    (void)base;
    *is = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg) {
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base) {
    (void)base;
    return SECTOR;
}

static int file_traits(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

static void folder_of(const char *path, char *folder) {
    snprintf(folder, PATH_BYTES, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags) {
    file *f = (file *)base;
    struct stat is;
    (void)vfs;
    *f = (file) { .fd = -1 };
    if (!path || strlen(path) >= PATH_BYTES) return SQLITE_CANTOPEN; /* no temporary files: temp_store is memory */
    bool is_new = df_disk_fstatat(AT_FDCWD, path, &is, 0) != 0;
    f->fd = df_disk_openat(AT_FDCWD, path, O_RDWR | (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0), 0666);
    if (f->fd < 0) return SQLITE_CANTOPEN;
    folder_of(path, f->folder);
    f->folder_is_dirty = is_new && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
    f->base.pMethods = &methods;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync) {
    char folder[PATH_BYTES];
    (void)vfs;
    if (df_disk_unlinkat(AT_FDCWD, path, 0)) return errno == ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
    folder_of(path, folder);
    return sync && sync_folder(folder) ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *is) {
    struct stat found;
    (void)vfs;
    *is = !df_disk_fstatat(AT_FDCWD, path, &found, 0) && (flags != SQLITE_ACCESS_EXISTS || found.st_size > 0);
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out) {
    (void)vfs;
    return snprintf(out, (size_t)n, "%s", path) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static uint64_t n_salts;

/* Salts of the log: they need only differ from the last ones, and the same world must come out the same. */
static int disk_random(sqlite3_vfs *vfs, int n, char *out) {
    df_sim_random random = df_sim_random_from(++n_salts);
    (void)vfs;
    for (int i = 0; i < n; i++) out[i] = (char)df_sim_draw(&random);
    return n;
}

static int disk_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return us;
}

static int disk_time(sqlite3_vfs *vfs, double *julian) {
    (void)vfs;
    *julian = 2461371.5;
    return SQLITE_OK;
}

static int disk_last_error(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    if (n > 0) snprintf(out, (size_t)n, "%s", strerror(errno));
    return errno;
}

df_code df_sim_sqlite_begin(df_err *err) {
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(file),
        .mxPathname = PATH_BYTES,
        .zName = "simulated",
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_path,
        .xRandomness = disk_random,
        .xSleep = disk_sleep,
        .xCurrentTime = disk_time,
        .xGetLastError = disk_last_error,
    };
    n_salts = 0;
    int rc = sqlite3_vfs_register(&vfs, 1);
    return rc ? df_err_set(err, DF_EINTERNAL, "simulated disk: %s", sqlite3_errstr(rc)) : DF_OK;
}

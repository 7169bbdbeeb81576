#include "coordinator/out_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "base/file.h"

enum { MAX_DIRTY = 32, FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

struct df_out_dir {
    char *path;
    int fd; /* of OUT */
    int private_fd; /* of OUT/.diffarm */
    int dirty[MAX_DIRTY]; /* folders with entries that are not synced yet */
    int n_dirty;
    int aside[DF_OUT_DIR_ASIDE]; /* pictures that are written and not synced; -1: none */
    int sync_errno; /* of a folder that could not be synced since the last df_out_dir_sync */
};

static const char private_name[] = DF_OUT_DIR_PRIVATE, claim_name[] = DF_OUT_DIR_CLAIM;

/* whose OUT is it */

/* The job id in OUT/.diffarm/job into id[64]; "" if there is none. */
static df_code read_claim(int private_fd, const char *path, char id[64], df_err *err) {
    int fd = df_disk_openat(private_fd, claim_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    id[0] = '\0';
    if (fd < 0 && errno == ENOENT) return DF_OK;
    if (fd < 0) return df_err_errno(err, errno, "%s/%s/%s", path, private_name, claim_name);
    ssize_t n = df_disk_read(fd, id, 63);
    int why = errno;
    df_disk_close(fd);
    if (n < 0) return df_err_errno(err, why, "%s/%s/%s: read", path, private_name, claim_name);
    id[n] = '\0';
    return DF_OK;
}

static df_code claimed_by(const char *path, char id[64], df_err *err) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, private_name);
    int fd = df_disk_openat(AT_FDCWD, name, FOLDER | O_NOFOLLOW, 0);
    id[0] = '\0';
    if (fd < 0 && errno == ENOENT) return DF_OK;
    if (fd < 0) return df_err_errno(err, errno, "%s", name);
    df_code rc = read_claim(fd, path, id, err);
    df_disk_close(fd);
    return rc;
}

/* lost+found is the file system's own. */
static int take_visible(void *ctx, const char *name) {
    if (name[0] == '.' || !strcmp(name, "lost+found")) return 0;
    snprintf(ctx, 256, "%s", name);
    return 1;
}

/* First entry that is not hidden into name[256], "" if there is none. */
static df_code first_entry(const char *path, char name[256], df_err *err) {
    int fd = df_disk_openat(AT_FDCWD, path, FOLDER, 0);
    name[0] = '\0';
    if (fd < 0 && errno == ENOENT) return DF_OK;
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    int failed = df_disk_list(fd, take_visible, name) < 0, why = errno;
    df_disk_close(fd);
    return failed ? df_err_errno(err, why, "%s", path) : DF_OK;
}

df_code df_out_dir_check(const char *path, const char *job_id, df_err *err) {
    char id[64], name[256];
    df_code rc = claimed_by(path, id, err);
    if (rc) return rc;
    if (!strcmp(id, job_id)) return DF_OK;
    if (id[0])
        return df_err_set(err, DF_EEXIST,
                          "%s: job %.16s is writing there; take another OUT (or remove %s/%s if that "
                          "job's coordinator is gone for good)",
                          path, id, path, private_name);
    if ((rc = first_entry(path, name, err))) return rc;
    if (!strcmp(name, "job.json"))
        return df_err_set(err, DF_EEXIST, "%s: holds the results of a job; take another OUT or empty it", path);
    if (name[0]) return df_err_set(err, DF_EEXIST, "%s: not empty (\"%s\"); take another OUT or empty it", path, name);
    return DF_OK;
}

/* OUT and the folders above it may all be new; once a job, the whole file system is the simplest thing to sync. */
static df_code sync_all(const char *path, df_err *err) {
    int fd = df_disk_openat(AT_FDCWD, path, FOLDER, 0);
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    int failed = df_disk_syncfs(fd), why = errno;
    df_disk_close(fd);
    return failed ? df_err_errno(err, why, "%s: sync", path) : DF_OK;
}

static df_code take(const char *path, const char *job_id, df_err *err) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", path, private_name);
    df_code rc = df_file_mkdirs(name, err);
    if (rc) return rc;
    snprintf(name, sizeof name, "%s/%s/%s", path, private_name, claim_name);
    if ((rc = df_file_write(name, job_id, strlen(job_id), err))) return rc;
    return sync_all(path, err);
}

df_code df_out_dir_claim(const char *path, const char *job_id, df_err *err) {
    df_code rc = df_out_dir_check(path, job_id, err);
    return rc ? rc : take(path, job_id, err);
}

df_code df_out_dir_claim_again(const char *path, const char *job_id, df_err *err) {
    char id[64];
    df_code rc = claimed_by(path, id, err);
    if (!rc && id[0] && strcmp(id, job_id) != 0)
        rc = df_err_set(err, DF_EEXIST, "%s: job %.16s is writing there", path, id);
    return rc ? rc : take(path, job_id, err);
}

typedef struct clearing {
    const char *private_path;
    df_err *err;
} clearing;

static int remove_but_claim(void *ctx, const char *name) {
    const clearing *c = ctx;
    char path[4096 + 256];
    if (!strcmp(name, claim_name)) return 0;
    snprintf(path, sizeof path, "%s/%s", c->private_path, name);
    return df_file_remove_tree(path, c->err) ? 1 : 0;
}

/* All but the claim, and that is synced: so a crash never leaves files of which nobody knows whose they are. */
static df_code clear_private(const char *private_path, df_err *err) {
    clearing c = { private_path, err };
    int fd = df_disk_openat(AT_FDCWD, private_path, FOLDER | O_NOFOLLOW, 0);
    if (fd < 0) return df_err_errno(err, errno, "%s", private_path);
    int rc = df_disk_list(fd, remove_but_claim, &c);
    if (!rc) rc = df_disk_fsync(fd);
    if (rc < 0) df_err_errno(err, errno, "%s: empty it", private_path);
    df_disk_close(fd);
    return rc ? err->code : DF_OK;
}

static df_code sync_folder(const char *path, df_err *err) {
    int fd = df_disk_openat(AT_FDCWD, path, FOLDER, 0);
    if (fd < 0) return errno == ENOENT ? DF_OK : df_err_errno(err, errno, "%s", path);
    int failed = df_disk_fsync(fd), why = errno;
    df_disk_close(fd);
    return failed ? df_err_errno(err, why, "%s: sync", path) : DF_OK;
}

df_code df_out_dir_release(const char *path, const char *job_id, df_err *err) {
    char id[64], name[4096];
    df_err why;
    df_code rc = claimed_by(path, id, &why);
    snprintf(name, sizeof name, "%s/%s", path, private_name);
    if (!rc && !strcmp(id, job_id)) {
        rc = clear_private(name, &why);
        if (!rc) rc = df_file_remove_tree(name, &why);
    } else if (!rc && !id[0]) {
        df_disk_unlinkat(AT_FDCWD, name, AT_REMOVEDIR); /* an earlier release came as far as this */
    }
    if (!rc) rc = sync_folder(path, &why);
    return rc ? df_err_set(err, rc, "%s", why.text) : DF_OK;
}

/* writing */

static df_code open_folders(df_out_dir *d, const char *job_id, df_err *err) {
    char id[64];
    d->fd = df_disk_openat(AT_FDCWD, d->path, FOLDER, 0);
    if (d->fd < 0) return df_err_errno(err, errno, "%s", d->path);
    d->private_fd = df_disk_openat(d->fd, private_name, FOLDER | O_NOFOLLOW, 0);
    if (d->private_fd < 0) return df_err_errno(err, errno, "%s/%s (is OUT mounted?)", d->path, private_name);
    df_code rc = read_claim(d->private_fd, d->path, id, err);
    if (!rc && strcmp(id, job_id))
        rc = df_err_set(err, DF_EIO, "%s: belongs to job \"%.16s\" now, not to %s", d->path, id, job_id);
    return rc;
}

df_code df_out_dir_open(df_out_dir **out, const char *path, const char *job_id, df_err *err) {
    df_out_dir *d = calloc(1, sizeof *d);
    if (!d || !(d->path = strdup(path))) {
        free(d);
        return df_err_set(err, DF_ENOMEM, "%s", path);
    }
    d->fd = d->private_fd = -1;
    for (int i = 0; i < DF_OUT_DIR_ASIDE; i++) d->aside[i] = -1;
    df_code rc = open_folders(d, job_id, err);
    if (rc)
        df_out_dir_close(&d);
    else
        *out = d;
    return rc;
}

void df_out_dir_close(df_out_dir **d) {
    if (!d || !*d) return;
    for (int i = 0; i < (*d)->n_dirty; i++) df_disk_close((*d)->dirty[i]);
    for (int i = 0; i < DF_OUT_DIR_ASIDE; i++)
        if ((*d)->aside[i] >= 0) df_disk_close((*d)->aside[i]);
    if ((*d)->private_fd >= 0) df_disk_close((*d)->private_fd);
    if ((*d)->fd >= 0) df_disk_close((*d)->fd);
    free((*d)->path);
    free(*d);
    *d = NULL;
}

static void sync_dirty(df_out_dir *d) {
    for (int i = 0; i < d->n_dirty; i++) {
        if (!d->sync_errno && df_disk_fsync(d->dirty[i])) d->sync_errno = errno;
        df_disk_close(d->dirty[i]);
    }
    d->n_dirty = 0;
}

df_code df_out_dir_sync(df_out_dir *d, df_err *err) {
    sync_dirty(d);
    int why = d->sync_errno;
    d->sync_errno = 0;
    return why ? df_err_errno(err, why, "%s: sync a folder", d->path) : DF_OK;
}

static bool is_same_folder(int a, int b) {
    struct stat x, y;
    return !df_disk_fstat(a, &x) && !df_disk_fstat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* Remembers a folder to be synced; takes the descriptor. When there are too many, they are synced now; if that fails,
 * the next df_out_dir_sync says so. */
static void mark_dirty(df_out_dir *d, int fd) {
    for (int i = d->n_dirty; i-- > 0;)
        if (is_same_folder(fd, d->dirty[i])) {
            df_disk_close(fd);
            return;
        }
    if (d->n_dirty == MAX_DIRTY) sync_dirty(d);
    d->dirty[d->n_dirty++] = fd;
}

/* What went wrong below OUT: about the path itself, or about OUT? */
static df_code path_error(const df_out_dir *d, const char *relative, int why, df_err *err) {
    if (why == ELOOP || why == ENOTDIR || why == EISDIR || why == ENAMETOOLONG)
        return df_err_set(err, DF_EINVAL, "%s/%s: %s", d->path, relative,
                          why == ELOOP || why == ENOTDIR ? "a link or a file is in the way" : strerror(why));
    return df_err_errno(err, why, "%s/%s", d->path, relative);
}

/* Opens one folder of a path, made if need be and wanted. Its parent must be synced as well, also if the folder is not
 * new: who made it may have died, or failed, before it came to that. Takes parent. */
static int step_into(df_out_dir *d, int parent, const char *name, bool make, int *why) {
    if (make && df_disk_mkdirat(parent, name, 0777) && errno != EEXIST) {
        *why = errno;
        df_disk_close(parent);
        return -1;
    }
    int fd = df_disk_openat(parent, name, FOLDER | O_NOFOLLOW, 0);
    *why = errno;
    if (fd >= 0 && make)
        mark_dirty(d, parent);
    else
        df_disk_close(parent);
    return fd;
}

/* Descriptor of the folder that `relative` lies in; *leaf is the file's own name. */
static int open_parent(df_out_dir *d, const char *relative, bool make, const char **leaf, int *why) {
    int fd = df_disk_dup(d->fd);
    *why = errno;
    for (const char *slash; fd >= 0 && (slash = strchr(relative, '/')); relative = slash + 1) {
        char part[256];
        size_t n = (size_t)(slash - relative);
        if (n >= sizeof part) {
            df_disk_close(fd);
            *why = ENAMETOOLONG;
            return -1;
        }
        memcpy(part, relative, n);
        part[n] = '\0';
        fd = step_into(d, fd, part, make, why);
    }
    *leaf = relative;
    return fd;
}

/* What a crash has left under the name is removed, never written over: after a power cut in the middle of a rename it
 * may be a second name of a picture that is in place. */
static int create_private(df_out_dir *d, const char *name) {
    enum { NEW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
    int fd = df_disk_openat(d->private_fd, name, NEW, 0666);
    if (fd >= 0 || errno != EEXIST || df_disk_unlinkat(d->private_fd, name, 0)) return fd;
    return df_disk_openat(d->private_fd, name, NEW, 0666);
}

static void name_aside(char out[32], int place) {
    snprintf(out, 32, "picture-%d", place);
}

static df_code aside_failed(df_out_dir *d, int place, int why, df_err *err) {
    return df_err_errno(err, why, "%s/%s/picture-%d", d->path, private_name, place);
}

df_code df_out_dir_write_aside(df_out_dir *d, int place, const void *data, size_t bytes, df_err *err) {
    char name[32];
    name_aside(name, place);
    int fd = create_private(d, name);
    if (fd < 0) return aside_failed(d, place, errno, err);
    if (df_disk_write_all(fd, data, bytes)) {
        int why = errno;
        df_disk_close(fd);
        df_out_dir_drop_aside(d, place);
        return aside_failed(d, place, why, err);
    }
    df_disk_begin_sync(fd);
    d->aside[place] = fd;
    return DF_OK;
}

df_code df_out_dir_sync_aside(df_out_dir *d, int place, df_err *err) {
    int fd = d->aside[place], why = df_disk_fsync(fd) ? errno : 0;
    d->aside[place] = -1;
    if (df_disk_close(fd) && !why) why = errno;
    if (!why) return DF_OK;
    df_out_dir_drop_aside(d, place);
    return aside_failed(d, place, why, err);
}

void df_out_dir_drop_aside(df_out_dir *d, int place) {
    char name[32];
    name_aside(name, place);
    df_disk_unlinkat(d->private_fd, name, 0);
}

df_code df_out_dir_put_in(df_out_dir *d, int place, const char *relative, df_err *err) {
    char name[32];
    const char *leaf;
    int why, folder = open_parent(d, relative, true, &leaf, &why);
    name_aside(name, place);
    if (folder >= 0) why = df_disk_renameat(d->private_fd, name, folder, leaf) ? errno : 0;
    if (folder >= 0 && !why) {
        mark_dirty(d, folder);
        return DF_OK;
    }
    if (folder >= 0) df_disk_close(folder);
    df_out_dir_drop_aside(d, place);
    return path_error(d, relative, why, err);
}

df_code df_out_dir_write(df_out_dir *d, const char *relative, const void *data, size_t bytes, df_err *err) {
    df_code rc = df_out_dir_write_aside(d, 0, data, bytes, err);
    if (!rc) rc = df_out_dir_sync_aside(d, 0, err);
    return rc ? rc : df_out_dir_put_in(d, 0, relative, err);
}

df_code df_out_dir_adopt(df_out_dir *d, const char *beside_name, const char *relative, df_err *err) {
    const char *leaf;
    int why, folder = open_parent(d, relative, true, &leaf, &why);
    if (folder < 0) return path_error(d, relative, why, err);
    int beside = df_disk_openat(d->private_fd, DF_BESIDE_DIR, FOLDER | O_NOFOLLOW, 0);
    why = beside < 0 || df_disk_renameat(beside, beside_name, folder, leaf) ? errno : 0;
    if (beside >= 0) df_disk_close(beside);
    if (why) {
        df_disk_close(folder);
        return path_error(d, relative, why, err);
    }
    mark_dirty(d, folder);
    return DF_OK;
}

int df_out_dir_begin(df_out_dir *d, const char *name, df_err *err) {
    int fd = create_private(d, name);
    if (fd < 0) df_err_errno(err, errno, "%s/%s/%s", d->path, private_name, name);
    return fd;
}

df_code df_out_dir_place(df_out_dir *d, const char *name, df_err *err) {
    if (df_disk_renameat(d->private_fd, name, d->fd, name)) return df_err_errno(err, errno, "%s/%s", d->path, name);
    int fd = df_disk_dup(d->fd);
    if (fd < 0) return df_err_errno(err, errno, "%s", d->path);
    mark_dirty(d, fd);
    return DF_OK;
}

df_code df_out_dir_take_away(df_out_dir *d, const char *name, df_err *err) {
    if (!df_disk_unlinkat(d->fd, name, 0)) {
        int fd = df_disk_dup(d->fd);
        if (fd < 0) return df_err_errno(err, errno, "%s", d->path);
        mark_dirty(d, fd);
        return DF_OK;
    }
    return errno == ENOENT ? DF_OK : df_err_errno(err, errno, "%s/%s", d->path, name);
}

void df_out_dir_drop(df_out_dir *d, const char *name) {
    df_disk_unlinkat(d->private_fd, name, 0);
}

/* reading */

static df_code read_all(const df_out_dir *d, int fd, const char *relative, char *to, size_t bytes, df_err *err) {
    while (bytes) {
        ssize_t n = df_disk_read(fd, to, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return df_err_errno(err, errno, "%s/%s: read", d->path, relative);
        if (!n) return df_err_set(err, DF_EIO, "%s/%s: became shorter while it was read", d->path, relative);
        to += n;
        bytes -= (size_t)n;
    }
    return DF_OK;
}

static df_code read_open(const df_out_dir *d, int fd, const char *relative, size_t max_bytes, char **data,
                         size_t *bytes, df_err *err) {
    struct stat is;
    if (df_disk_fstat(fd, &is)) return df_err_errno(err, errno, "%s/%s", d->path, relative);
    if (!S_ISREG(is.st_mode) || (size_t)is.st_size > max_bytes)
        return df_err_set(err, DF_EINVAL, "%s/%s: no file of at most %zu bytes", d->path, relative, max_bytes);
    char *all = malloc((size_t)is.st_size + 1);
    if (!all) return df_err_set(err, DF_ENOMEM, "%s/%s: %lld bytes", d->path, relative, (long long)is.st_size);
    df_code rc = read_all(d, fd, relative, all, (size_t)is.st_size, err);
    if (rc) {
        free(all);
        return rc;
    }
    *data = all;
    *bytes = (size_t)is.st_size;
    return DF_OK;
}

df_code df_out_dir_open_file(df_out_dir *d, const char *relative, int *fd, df_err *err) {
    const char *leaf;
    int why, folder = open_parent(d, relative, false, &leaf, &why);
    if (folder < 0) return path_error(d, relative, why, err);
    *fd = df_disk_openat(folder, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    why = errno;
    df_disk_close(folder);
    return *fd < 0 ? path_error(d, relative, why, err) : DF_OK;
}

df_code df_out_dir_read(df_out_dir *d, const char *relative, size_t max_bytes, char **data, size_t *bytes,
                        df_err *err) {
    int fd;
    df_code rc = df_out_dir_open_file(d, relative, &fd, err);
    if (rc) return rc;
    rc = read_open(d, fd, relative, max_bytes, data, bytes, err);
    df_disk_close(fd);
    return rc;
}

df_code df_out_dir_read_from(const char *path, const char *relative, size_t max_bytes, char **data, size_t *bytes,
                             df_err *err) {
    df_out_dir d = { .path = (char *)path, .fd = df_disk_openat(AT_FDCWD, path, FOLDER, 0) };
    if (d.fd < 0) return df_err_errno(err, errno, "%s", path);
    df_code rc = df_out_dir_read(&d, relative, max_bytes, data, bytes, err);
    df_disk_close(d.fd);
    return rc;
}

df_code df_out_dir_has(df_out_dir *d, const char *name, bool *has, df_err *err) {
    struct stat is;
    *has = !df_disk_fstatat(d->fd, name, &is, AT_SYMLINK_NOFOLLOW);
    return *has || errno == ENOENT ? DF_OK : df_err_errno(err, errno, "%s/%s", d->path, name);
}

void df_out_dir_remove(df_out_dir *d, const char *relative) {
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", d->path, relative);
    df_file_remove_tree(name, NULL);
}

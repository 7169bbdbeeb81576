#include "coordinator/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/file.h"
#include "base/sha256.h"

enum { MAX_PARTS = 16 };

typedef struct part { /* a file that is not whole yet */
    char sha256[DF_SHA256_HEX_BYTES]; /* "": free */
    uint64_t total_bytes, have_bytes;
    df_sha256 *hash; /* of what is there */
    int fd;
    uint64_t used; /* when a piece last came, in pieces */
} part;

struct df_file_store {
    char *dir; /* STATE/files */
    bool is_clean; /* parts of an earlier start are gone */
    part parts[MAX_PARTS];
    uint64_t clock;
};

/* names */

static void path_of(const df_file_store *s, const char *sha256, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/%.2s/%s", s->dir, sha256, sha256);
}

static void part_path(const df_file_store *s, const char *sha256, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/part/%s", s->dir, sha256);
}

static df_code check_name(const char *sha256, df_err *err) {
    return df_sha256_is_hex(sha256) ? DF_OK : df_err_set(err, DF_EINVAL, "sha256 is not a SHA-256");
}

/* parts */

static void forget(df_file_store *s, part *p) {
    char path[PATH_MAX], hex[DF_SHA256_HEX_BYTES];
    if (!p->sha256[0]) return;
    part_path(s, p->sha256, path);
    unlink(path);
    if (p->fd >= 0) close(p->fd);
    if (p->hash) df_sha256_end(&p->hash, hex);
    *p = (part) { .fd = -1 };
}

static part *find(df_file_store *s, const char *sha256) {
    for (int i = 0; i < MAX_PARTS; i++)
        if (!strcmp(s->parts[i].sha256, sha256)) return &s->parts[i];
    return NULL;
}

/* A free place, or that of the one that stands still longest. */
static part *place(df_file_store *s) {
    part *oldest = &s->parts[0];
    for (int i = 0; i < MAX_PARTS; i++) {
        if (!s->parts[i].sha256[0]) return &s->parts[i];
        if (s->parts[i].used < oldest->used) oldest = &s->parts[i];
    }
    forget(s, oldest);
    return oldest;
}

static df_code check_room(const df_file_store *s, uint64_t bytes, df_err *err) {
    struct statvfs is;
    if (statvfs(s->dir, &is)) return df_err_errno(err, errno, "%s", s->dir);
    uint64_t room = (uint64_t)is.f_bavail * is.f_frsize;
    if (bytes <= room) return DF_OK;
    return df_err_set(err, DF_ENOSPACE, "%s: a file of %" PRIu64 " bytes, there is room for %" PRIu64, s->dir, bytes,
                      room);
}

static df_code clean(df_file_store *s, df_err *err) {
    char path[PATH_MAX];
    if (s->is_clean) return DF_OK;
    snprintf(path, sizeof path, "%s/part", s->dir);
    df_code rc = df_file_remove_tree(path, err);
    if (!rc) rc = df_file_mkdirs(path, err);
    s->is_clean = !rc;
    return rc;
}

static df_code begin(df_file_store *s, const df_file_piece *piece, part **out, df_err *err) {
    char path[PATH_MAX];
    df_code rc = clean(s, err);
    if (!rc) rc = check_room(s, piece->total_bytes, err);
    if (rc) return rc;
    part *p = place(s);
    part_path(s, piece->sha256, path);
    snprintf(p->sha256, sizeof p->sha256, "%s", piece->sha256);
    p->total_bytes = piece->total_bytes;
    p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int why = errno;
    p->hash = df_sha256_new();
    if (p->fd < 0 || !p->hash) {
        rc = p->fd < 0 ? df_err_errno(err, why, "%s", path) : df_err_set(err, DF_ENOMEM, "%s", path);
        forget(s, p);
        return rc;
    }
    *out = p;
    return DF_OK;
}

/* The end: the hash must be right, then it is synced, then it gets its name. */
static df_code finish(df_file_store *s, part *p, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES], from[PATH_MAX], to[PATH_MAX];
    df_code rc = DF_OK;
    df_sha256_end(&p->hash, hex);
    part_path(s, p->sha256, from);
    snprintf(to, sizeof to, "%s/%.2s", s->dir, p->sha256);
    if (strcmp(hex, p->sha256))
        rc = df_err_set(err, DF_EINVAL, "a file that came has sha256 %.12s..., it was announced with %.12s...", hex,
                        p->sha256);
    if (!rc) rc = df_file_mkdirs(to, err);
    path_of(s, p->sha256, to);
    if (!rc && fsync(p->fd)) rc = df_err_errno(err, errno, "%s: sync", from);
    if (!rc && rename(from, to)) rc = df_err_errno(err, errno, "%s", to);
    forget(s, p);
    return rc;
}

static df_code append(df_file_store *s, part *p, const df_file_piece *piece, df_err *err) {
    const char *data = piece->data;
    for (size_t done = 0; done < piece->bytes;) {
        ssize_t n = pwrite(p->fd, data + done, piece->bytes - done, (off_t)(p->have_bytes + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return df_err_errno(err, errno, "%s/part/%s", s->dir, p->sha256); /* the next try writes it again */
        done += (size_t)n;
    }
    df_sha256_add(p->hash, data, piece->bytes);
    sync_file_range(p->fd, (off_t)p->have_bytes, (off_t)piece->bytes,
                    SYNC_FILE_RANGE_WRITE); /* the sync is short then */
    p->have_bytes += piece->bytes;
    return DF_OK;
}

/* the interface */

df_code df_file_store_open(df_file_store **out, const char *state_dir, df_err *err) {
    df_file_store *s = calloc(1, sizeof *s);
    if (!s || asprintf(&s->dir, "%s/files", state_dir) < 0) {
        free(s);
        return df_err_set(err, DF_ENOMEM, "files of %s", state_dir);
    }
    for (int i = 0; i < MAX_PARTS; i++) s->parts[i].fd = -1;
    *out = s;
    return DF_OK;
}

void df_file_store_close(df_file_store **s) {
    if (!s || !*s) return;
    for (int i = 0; i < MAX_PARTS; i++) forget(*s, &(*s)->parts[i]);
    free((*s)->dir);
    free(*s);
    *s = NULL;
}

static bool is_whole(const df_file_store *s, const df_file_piece *piece) {
    char path[PATH_MAX];
    struct stat is;
    path_of(s, piece->sha256, path);
    return !lstat(path, &is) && S_ISREG(is.st_mode) && (uint64_t)is.st_size == piece->total_bytes;
}

static df_code check_piece(const df_file_piece *piece, df_err *err) {
    df_code rc = check_name(piece->sha256, err);
    if (rc) return rc;
    if (!piece->total_bytes || piece->total_bytes > (uint64_t)DF_FILE_MAX_BYTES)
        return df_err_set(err, DF_ELIMIT, "a file of %" PRIu64 " bytes: 1 to %" PRId64 " are taken", piece->total_bytes,
                          DF_FILE_MAX_BYTES);
    if (piece->bytes > DF_FILE_PIECE_BYTES)
        return df_err_set(err, DF_ELIMIT, "a piece of %zu bytes, at most %d are taken", piece->bytes,
                          DF_FILE_PIECE_BYTES);
    if (piece->offset > piece->total_bytes || piece->bytes > piece->total_bytes - piece->offset)
        return df_err_set(err, DF_EINVAL, "a piece of %zu bytes at %" PRIu64 " of a file of %" PRIu64, piece->bytes,
                          piece->offset, piece->total_bytes);
    return DF_OK;
}

df_code df_file_store_put(df_file_store *s, const df_file_piece *piece, uint64_t *have_bytes, df_err *err) {
    *have_bytes = 0;
    df_code rc = check_piece(piece, err);
    if (rc) return rc;
    *have_bytes = piece->total_bytes;
    if (is_whole(s, piece)) return DF_OK;
    part *p = find(s, piece->sha256);
    if (p && p->total_bytes != piece->total_bytes) forget(s, p); /* one of the two is wrong: the hash will say */
    if ((!p || !p->sha256[0]) && (rc = begin(s, piece, &p, err))) return rc;
    p->used = ++s->clock;
    if (piece->bytes && piece->offset == p->have_bytes) rc = append(s, p, piece, err);
    *have_bytes = p->have_bytes;
    return !rc && p->have_bytes == p->total_bytes ? finish(s, p, err) : rc;
}

df_code df_file_store_sync(df_file_store *s, df_err *err) {
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? DF_OK : df_err_errno(err, errno, "%s", s->dir);
    int failed = syncfs(fd), why = errno;
    close(fd);
    return failed ? df_err_errno(err, why, "%s: sync", s->dir) : DF_OK;
}

static df_code read_at(int fd, const char *path, uint64_t offset, void *to, size_t max, size_t *n, uint64_t *total,
                       df_err *err) {
    struct stat is;
    if (fstat(fd, &is)) return df_err_errno(err, errno, "%s", path);
    *total = (uint64_t)is.st_size;
    if (offset > *total) return df_err_set(err, DF_EINVAL, "byte %" PRIu64 " of a file of %" PRIu64, offset, *total);
    ssize_t got;
    do got = pread(fd, to, max, (off_t)offset);
    while (got < 0 && errno == EINTR);
    *n = got < 0 ? 0 : (size_t)got;
    return got < 0 ? df_err_errno(err, errno, "%s", path) : DF_OK;
}

df_code df_file_store_get(const df_file_store *s, const char *sha256, uint64_t offset, void *to, size_t max, size_t *n,
                          uint64_t *total, df_err *err) {
    char path[PATH_MAX];
    df_code rc = check_name(sha256, err);
    if (rc) return rc;
    path_of(s, sha256, path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    rc = read_at(fd, path, offset, to, max, n, total, err);
    close(fd);
    return rc;
}

df_code df_file_store_remove(df_file_store *s, const char *sha256, df_err *err) {
    char path[PATH_MAX];
    df_code rc = check_name(sha256, err);
    if (rc) return rc;
    path_of(s, sha256, path);
    return unlink(path) && errno != ENOENT ? df_err_errno(err, errno, "%s", path) : DF_OK;
}

#include "worker/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/file.h"

enum { MAX_WANTED = 64, ASK_AGAIN_MS = 5000, MAX_QUESTIONS = 12, KEPT_S = 60 };

typedef struct wanted { /* a file that is to come, or could not */
    char sha256[DF_SHA256_HEX_BYTES];
    uint64_t have_bytes, total_bytes;
    df_sha256 *hash; /* of what has come */
    int fd; /* of the part */
    int64_t asked_ms; /* 0: to be asked */
    int n_questions; /* without an answer */
    df_err why; /* code 0: it is on its way */
} wanted;

struct df_fetch {
    pthread_mutex_t lock;
    char *dir; /* NULL: a private one that is not made yet */
    bool is_private; /* the folder is ours alone, and goes with us */
    uint64_t limit_bytes;
    wanted list[MAX_WANTED]; /* [n], the first is on its way */
    int n;
};

df_code df_fetch_open(df_fetch **out, const char *dir, uint64_t limit_bytes, df_err *err) {
    df_fetch *f = calloc(1, sizeof *f);
    if (!f) return df_err_set(err, DF_ENOMEM, "copies of files");
    f->limit_bytes = limit_bytes;
    f->is_private = !dir;
    pthread_mutex_init(&f->lock, NULL);
    df_code rc = dir ? df_file_mkdirs(dir, err) : DF_OK;
    if (!rc && dir && !(f->dir = realpath(dir, NULL))) rc = df_err_errno(err, errno, "%s", dir);
    if (rc)
        df_fetch_close(&f);
    else
        *out = f;
    return rc;
}

/* A private folder is made when it is first needed. */
static df_code make_folder(df_fetch *f, df_err *err) {
    char own[] = "/tmp/diffarm-inputs-XXXXXX";
    if (f->dir) return DF_OK;
    if (!mkdtemp(own)) return df_err_errno(err, errno, "%s", own);
    return (f->dir = strdup(own)) ? DF_OK : df_err_set(err, DF_ENOMEM, "%s", own);
}

static void part_path(const df_fetch *f, const char *sha256, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/%s.part-%ld", f->dir, sha256, (long)getpid());
}

/* What has come of it. */
static void drop_part(const df_fetch *f, wanted *w) {
    char path[PATH_MAX], hex[DF_SHA256_HEX_BYTES];
    if (w->hash) df_sha256_end(&w->hash, hex);
    if (w->fd < 0) return;
    part_path(f, w->sha256, path);
    unlink(path);
    close(w->fd);
    w->fd = -1;
}

static void take_off(df_fetch *f, wanted *w) {
    drop_part(f, w);
    f->n--;
    memmove(w, w + 1, (size_t)(&f->list[f->n] - w) * sizeof *w);
}

void df_fetch_close(df_fetch **fp) {
    df_fetch *f = *fp;
    if (!f) return;
    while (f->n) take_off(f, f->list);
    if (f->is_private && f->dir) df_file_remove_tree(f->dir, NULL);
    pthread_mutex_destroy(&f->lock);
    free(f->dir);
    free(f);
    *fp = NULL;
}

/* room */

typedef struct oldest {
    char name[DF_SHA256_HEX_BYTES];
    time_t used;
    uint64_t sum_bytes;
} oldest;

/* Of the copies in the folder; parts and what else lies there do not count. */
static void look(DIR *dir, oldest *o) {
    struct stat is;
    *o = (oldest) { 0 };
    rewinddir(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (strlen(e->d_name) != DF_SHA256_HEX_BYTES - 1 || fstatat(dirfd(dir), e->d_name, &is, AT_SYMLINK_NOFOLLOW))
            continue;
        o->sum_bytes += (uint64_t)is.st_size;
        if (*o->name && is.st_mtime >= o->used) continue;
        o->used = is.st_mtime;
        snprintf(o->name, sizeof o->name, "%.64s", e->d_name);
    }
}

/* A copy that was used in the last minute stays, though the folder be over its size: a row needs several at once. */
static void make_room(const df_fetch *f, uint64_t bytes) {
    DIR *dir = opendir(f->dir);
    oldest o;
    time_t now = time(NULL);
    if (!dir) return;
    do {
        look(dir, &o);
        if (o.sum_bytes + bytes <= f->limit_bytes || !*o.name || now - o.used < KEPT_S) break;
    } while (!unlinkat(dirfd(dir), o.name, 0));
    closedir(dir);
}

/* pieces */

static df_code begin(df_fetch *f, wanted *w, uint64_t total_bytes, df_err *err) {
    char path[PATH_MAX];
    if (total_bytes > f->limit_bytes)
        return df_err_set(err, DF_ELIMIT, "%" PRIu64 " bytes, copies take %" PRIu64 " at most (--input-cache-mib)",
                          total_bytes, f->limit_bytes);
    make_room(f, total_bytes);
    part_path(f, w->sha256, path);
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->fd < 0) return df_err_errno(err, errno, "%s", path);
    w->total_bytes = total_bytes;
    return (w->hash = df_sha256_new()) ? DF_OK : df_err_set(err, DF_ENOMEM, "a copy");
}

static df_code append(const df_fetch *f, wanted *w, const ProtobufCBinaryData *data, df_err *err) {
    if (df_disk_write_all(w->fd, data->data, data->len)) return df_err_errno(err, errno, "%s", f->dir);
    df_sha256_add(w->hash, data->data, data->len);
    w->have_bytes += data->len;
    return DF_OK;
}

static df_code finish(const df_fetch *f, wanted *w, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES], from[PATH_MAX], to[PATH_MAX];
    df_sha256_end(&w->hash, hex);
    if (strcmp(hex, w->sha256))
        return df_err_set(err, DF_EFORMAT, "the coordinator's copy has sha256 %.12s..., not %.12s...", hex, w->sha256);
    part_path(f, w->sha256, from);
    snprintf(to, sizeof to, "%s/%s", f->dir, w->sha256);
    if (rename(from, to)) return df_err_errno(err, errno, "%s", to);
    close(w->fd);
    w->fd = -1;
    return DF_OK;
}

static df_code take(df_fetch *f, wanted *w, const Diffarm__FileChunk *c, df_err *err) {
    df_code rc = DF_OK;
    if (c->code) return df_err_set(err, (df_code)c->code, "%s", c->text);
    if (w->fd < 0) rc = begin(f, w, c->total_bytes, err);
    if (rc) return rc;
    if (c->total_bytes != w->total_bytes || !c->data.len || c->data.len > w->total_bytes - w->have_bytes)
        return df_err_set(err, DF_EPROTOCOL, "a piece of %zu bytes at %" PRIu64 " of %" PRIu64 " of a file of %" PRIu64,
                          c->data.len, c->offset, c->total_bytes, w->total_bytes);
    rc = append(f, w, &c->data, err);
    return !rc && w->have_bytes == w->total_bytes ? finish(f, w, err) : rc;
}

/* To the end of the list, where it waits to be told. */
static void fail(df_fetch *f, df_code code, const char *text) {
    wanted w = f->list[0];
    drop_part(f, &w);
    df_err_set(&w.why, code, "%s", text);
    memmove(f->list, f->list + 1, (size_t)(f->n - 1) * sizeof *f->list);
    f->list[f->n - 1] = w;
}

static bool on_its_way(const df_fetch *f) {
    return f->n && !f->list[0].why.code;
}

void df_fetch_piece(df_fetch *f, const Diffarm__FileChunk *c) {
    df_err why = { 0 };
    pthread_mutex_lock(&f->lock);
    wanted *w = &f->list[0];
    if (on_its_way(f) && !strcmp(w->sha256, c->sha256) && c->offset == w->have_bytes) {
        w->asked_ms = 0;
        w->n_questions = 0;
        if (take(f, w, c, &why))
            fail(f, why.code, why.text);
        else if (w->fd < 0)
            take_off(f, w); /* it is there */
    }
    pthread_mutex_unlock(&f->lock);
}

bool df_fetch_question(df_fetch *f, int64_t now_ms, char sha256[DF_SHA256_HEX_BYTES], uint64_t *offset) {
    bool due = false;
    pthread_mutex_lock(&f->lock);
    wanted *w = &f->list[0];
    if (on_its_way(f) && w->n_questions == MAX_QUESTIONS)
        fail(f, DF_EUNREACHABLE, "the coordinator does not answer");
    else if (on_its_way(f) && (!w->asked_ms || now_ms - w->asked_ms >= ASK_AGAIN_MS)) {
        due = true;
        snprintf(sha256, DF_SHA256_HEX_BYTES, "%s", w->sha256);
        *offset = w->have_bytes;
        w->asked_ms = now_ms;
        w->n_questions++;
    }
    pthread_mutex_unlock(&f->lock);
    return due;
}

void df_fetch_ask_again(df_fetch *f) {
    pthread_mutex_lock(&f->lock);
    if (f->n) {
        f->list[0].asked_ms = 0;
        f->list[0].n_questions = 0;
    }
    pthread_mutex_unlock(&f->lock);
}

/* the renderer's side */

static bool is_there(const df_fetch *f, const char *sha256, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", f->dir, sha256);
    return !utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW); /* used now */
}

static df_code want(df_fetch *f, const char *sha256, df_err *err) {
    for (int i = 0; i < f->n; i++) {
        wanted *w = &f->list[i];
        if (strcmp(w->sha256, sha256)) continue;
        df_code rc = w->why.code ? df_err_set(err, w->why.code, "%s", w->why.text) : DF_ETIMEOUT;
        if (w->why.code) take_off(f, w);
        return rc;
    }
    if (f->n == MAX_WANTED && f->list[f->n - 1].why.code) take_off(f, &f->list[f->n - 1]); /* nobody has asked again */
    if (f->n == MAX_WANTED) return DF_ETIMEOUT; /* when there is room */
    int at = f->n++; /* behind those on their way, in front of those that failed */
    while (at && f->list[at - 1].why.code) at--;
    memmove(&f->list[at + 1], &f->list[at], (size_t)(f->n - 1 - at) * sizeof *f->list);
    f->list[at] = (wanted) { .fd = -1 };
    snprintf(f->list[at].sha256, sizeof f->list[at].sha256, "%s", sha256);
    return DF_ETIMEOUT;
}

df_code df_fetch_file(df_fetch *f, const char *sha256, char path[PATH_MAX], df_err *err) {
    if (!df_sha256_is_hex(sha256)) return df_err_set(err, DF_EINVAL, "sha256 \"%.64s\": not a SHA-256", sha256);
    pthread_mutex_lock(&f->lock);
    df_code rc = make_folder(f, err);
    if (!rc && !is_there(f, sha256, path)) rc = want(f, sha256, err);
    pthread_mutex_unlock(&f->lock);
    if (rc == DF_ETIMEOUT) df_err_set(err, rc, "%.12s...: it is being fetched", sha256);
    return rc;
}

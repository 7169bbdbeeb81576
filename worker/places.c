#include "worker/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"

enum { N_PLACES = 64 };

typedef struct place {
    char sha256[DF_SHA256_HEX_BYTES]; /* "": free */
    char path[PATH_MAX];
    struct stat is; /* as it was when it was found */
} place;

struct df_places {
    df_fetch *fetch;
    const char *inputs_dir;
    int next; /* place to be used next */
    place at[N_PLACES];
};

df_places *df_places_new(df_fetch *fetch, const char *inputs_dir) {
    df_places *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fetch = fetch;
    c->inputs_dir = inputs_dir;
    return c;
}

void df_places_free(df_places **c) {
    free(*c);
    *c = NULL;
}

static bool is_unchanged(const place *p) {
    struct stat now;
    return !stat(p->path, &now) && now.st_ino == p->is.st_ino && now.st_dev == p->is.st_dev &&
           now.st_size == p->is.st_size && now.st_mtim.tv_sec == p->is.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == p->is.st_mtim.tv_nsec;
}

static const char *remembered(df_places *c, const char *sha256) {
    for (int i = 0; i < N_PLACES; i++) {
        place *p = &c->at[i];
        if (strcmp(p->sha256, sha256)) continue;
        if (is_unchanged(p)) return p->path;
        p->sha256[0] = '\0';
    }
    return NULL;
}

static const char *remember(df_places *c, const char *sha256, const char *path) {
    place *p = &c->at[c->next];
    c->next = (c->next + 1) % N_PLACES;
    snprintf(p->sha256, sizeof p->sha256, "%s", sha256);
    snprintf(p->path, sizeof p->path, "%s", path);
    if (stat(path, &p->is)) p->is = (struct stat) { 0 };
    return p->path;
}

/* A pipe or a device would hold up whoever opens it. */
static df_code check_place(const df_places *c, const char *path, df_err *err) {
    struct stat is;
    int fd;
    if (c->inputs_dir) {
        df_code rc = df_beneath_open(&fd, c->inputs_dir, path, err);
        if (!rc) close(fd);
        return rc;
    }
    if (stat(path, &is)) return df_err_errno(err, errno, "%s", path);
    return S_ISREG(is.st_mode) ? DF_OK : df_err_set(err, DF_EINVAL, "%s: not a regular file", path);
}

static df_code check(const df_places *c, const char *path, const char *sha256, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_code rc = check_place(c, path, err);
    if (!rc) rc = df_sha256_file(path, hex, err);
    if (rc || !strcmp(hex, sha256)) return rc;
    return df_err_set(err, DF_EINVAL, "%s: has changed since the job was submitted", path);
}

/* A copy that was damaged in its folder is fetched anew. */
static df_code find_copy(df_places *c, const char *sha256, char path[PATH_MAX], df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_code rc = df_fetch_file(c->fetch, sha256, path, err);
    if (rc || (!df_sha256_file(path, hex, NULL) && !strcmp(hex, sha256))) return rc;
    unlink(path);
    return df_fetch_file(c->fetch, sha256, path, err);
}

df_code df_places_find(df_places *c, const Diffarm__Input *input, const char **path, df_err *err) {
    char copy[PATH_MAX];
    df_err here, there = { 0 };
    if ((*path = remembered(c, input->sha256))) return DF_OK;
    df_code rc = check(c, input->path, input->sha256, &here);
    if (!rc) return (*path = remember(c, input->sha256, input->path)), DF_OK;
    if (!c->fetch) return df_err_set(err, rc, "%s; submit the job again", here.text);
    rc = find_copy(c, input->sha256, copy, &there);
    if (!rc) *path = remember(c, input->sha256, copy);
    if (!rc || rc == DF_ETIMEOUT) return rc ? df_err_set(err, rc, "%s", there.text) : DF_OK;
    if (rc != DF_ENOTFOUND) return df_err_set(err, rc, "%s, and the coordinator's copy: %s", here.text, there.text);
    return df_err_set(err, here.code, "%s, and the coordinator has no copy; submit the job again", here.text);
}

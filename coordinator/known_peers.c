#include "coordinator/known_peers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "coordinator/map.h"
#include "proto/keys.h"

enum { MAX_FILE_BYTES = 16 << 20 };

struct df_known_peers {
    char *path;
    const df_log *log; /* borrowed */
    struct timespec changed;
    df_map roles; /* by public key */
};

static const char *role_of(const char *word) {
    static const char *const roles[] = { DF_ROLE_SUBMIT, DF_ROLE_WORK, DF_ROLE_WATCH };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(word, roles[i])) return roles[i];
    return NULL;
}

static df_code take_line(df_map *roles, const char *path, int number, char *line, df_err *err) {
    char *rest, *word = strtok_r(line, " \t\r", &rest), *key = word ? strtok_r(NULL, " \t\r", &rest) : NULL;
    if (!word || *word == '#') return DF_OK;
    const char *role = role_of(word);
    if (!role)
        return df_err_set(err, DF_EFORMAT, "%s, line %d: '%.20s' is no role: submit, work or watch", path, number,
                          word);
    if (!key || !df_key_is_valid(key))
        return df_err_set(err, DF_EFORMAT, "%s, line %d: a line is ROLE PUBLIC-KEY NAME", path, number);
    if (!df_map_put(roles, key, strlen(key), (void *)role)) return df_err_set(err, DF_ENOMEM, "%s", path);
    return DF_OK;
}

static df_code read_roles(df_map *roles, const char *path, df_err *err) {
    char *text, *rest;
    size_t bytes;
    int number = 0;
    df_code rc = df_file_read(path, MAX_FILE_BYTES, &text, &bytes, err);
    if (rc) return rc;
    for (char *line = text; !rc && line; line = rest) {
        rest = strchr(line, '\n');
        if (rest) *rest++ = '\0';
        rc = take_line(roles, path, ++number, line, err);
    }
    free(text);
    return rc;
}

static df_code load(df_known_peers *p, df_err *err) {
    struct stat is;
    df_map roles = { 0 };
    if (stat(p->path, &is)) return df_err_errno(err, errno, "%s", p->path);
    p->changed = is.st_mtim;
    if (is.st_mode & (S_IWGRP | S_IWOTH))
        return df_err_set(err, DF_EINVAL, "%s: others can write it, and let in whom they like; run `chmod go-w %s`",
                          p->path, p->path);
    df_code rc = read_roles(&roles, p->path, err);
    if (rc) {
        df_map_free(&roles);
        return rc;
    }
    df_map_free(&p->roles);
    p->roles = roles;
    return DF_OK;
}

df_code df_known_peers_open(df_known_peers **out, const char *path, const df_log *log, df_err *err) {
    df_known_peers *p = calloc(1, sizeof *p);
    if (!p || !(p->path = strdup(path))) {
        free(p);
        return df_err_set(err, DF_ENOMEM, "%s", path);
    }
    p->log = log;
    df_code rc = load(p, err);
    if (rc)
        df_known_peers_close(&p);
    else
        *out = p;
    return rc;
}

void df_known_peers_close(df_known_peers **p) {
    if (!*p) return;
    df_map_free(&(*p)->roles);
    free((*p)->path);
    free(*p);
    *p = NULL;
}

static bool has_changed(const df_known_peers *p) {
    struct stat is;
    return !stat(p->path, &is) && (is.st_mtim.tv_sec != p->changed.tv_sec || is.st_mtim.tv_nsec != p->changed.tv_nsec);
}

const char *df_known_peers_role(df_known_peers *p, const char *public_key) {
    df_err why;
    if (has_changed(p)) {
        df_code rc = load(p, &why);
        df_log_event(p->log, rc ? DF_LOG_ERROR : DF_LOG_INFO, "peers_read", "ok=%d why=\"%s\"", !rc,
                     rc ? why.text : "");
    }
    return df_map_get(&p->roles, public_key, strlen(public_key));
}

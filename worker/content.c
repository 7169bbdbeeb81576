#include "worker/content.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

struct df_content {
    const df_model *model;
    char path[PATH_MAX], sha256[DF_SHA256_HEX_BYTES];
    pthread_t thread;
    bool joined;
    df_err verdict; /* the thread's until it is joined */
};

static void *check(void *arg) {
    df_content *c = arg;
    char hex[DF_SHA256_HEX_BYTES];
    c->verdict.code = df_model_sha256(c->model, hex, &c->verdict);
    if (!c->verdict.code && strcmp(hex, c->sha256))
        df_err_set(&c->verdict, DF_EINVAL,
                   "%s: its content hash is %.12s..., the job was made for %.12s...: the files differ here", c->path,
                   hex, c->sha256);
    return NULL;
}

df_code df_content_start(df_content **out, const df_model *model, const char *path, const char *sha256, df_err *err) {
    df_content *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "%s", path);
    c->model = model;
    snprintf(c->path, sizeof c->path, "%s", path);
    snprintf(c->sha256, sizeof c->sha256, "%s", sha256);
    int failed = pthread_create(&c->thread, NULL, check, c);
    if (failed) {
        free(c);
        return df_err_errno(err, failed, "%s: the thread that hashes it", path);
    }
    *out = c;
    return DF_OK;
}

static void join(df_content *c) {
    if (!c->joined) pthread_join(c->thread, NULL);
    c->joined = true;
}

df_code df_content_confirm(df_content *c, df_err *err) {
    join(c);
    return c->verdict.code ? df_err_set(err, c->verdict.code, "%s", c->verdict.text) : DF_OK;
}

void df_content_close(df_content **content) {
    if (!*content) return;
    join(*content);
    free(*content);
    *content = NULL;
}

#include "proto/locator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/file.h"

#define FILE_SCHEME "file://"
#define LOOK_AGAIN_MS 1000

/* The first line of the file; "" if there is no file. */
static df_code read_told(const char *path, char out[DF_LOCATOR_BYTES], df_err *err) {
    char *text = NULL;
    size_t bytes = 0;
    out[0] = '\0';
    df_code rc = df_file_read(path, DF_LOCATOR_BYTES - 1, &text, &bytes, err);
    if (rc == DF_ENOTFOUND) return DF_OK;
    if (rc) return rc;
    snprintf(out, DF_LOCATOR_BYTES, "%.*s", (int)strcspn(text, "\r\n"), text);
    free(text);
    return strstr(out, "://") ? DF_OK
                              : df_err_set(err, DF_EINVAL,
                                           "%s: no endpoint in it, like tcp://HOST:7700; it should be the file "
                                           "`endpoint` of a coordinator's state folder",
                                           path);
}

static df_code find(const char *named, char out[DF_LOCATOR_BYTES], df_err *err) {
    if (!strncmp(named, FILE_SCHEME, strlen(FILE_SCHEME))) return read_told(named + strlen(FILE_SCHEME), out, err);
    if (strlen(named) >= DF_LOCATOR_BYTES)
        return df_err_set(err, DF_EINVAL, "%.40s...: an endpoint has fewer than %d bytes", named, DF_LOCATOR_BYTES);
    snprintf(out, DF_LOCATOR_BYTES, "%s", named);
    return DF_OK;
}

df_code df_locator_follow(df_locator *l, void *socket, df_err *err) {
    char now[DF_LOCATOR_BYTES];
    df_code rc = find(l->named, now, err);
    if (rc || !now[0] || !strcmp(now, l->at)) return rc;
    if (zmq_connect(socket, now))
        return df_err_set(err, DF_EINVAL, "%s: not an endpoint: %s", now, zmq_strerror(zmq_errno()));
    if (l->at[0]) zmq_disconnect(socket, l->at);
    snprintf(l->at, sizeof l->at, "%s", now);
    return DF_OK;
}

df_code df_locator_look(df_locator *l, void *socket, int64_t now_ms, df_err *err) {
    if (now_ms < l->look_due_ms) return DF_OK;
    l->look_due_ms = now_ms + LOOK_AGAIN_MS;
    return df_locator_follow(l, socket, err);
}

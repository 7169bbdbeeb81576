#include "coordinator/web/server.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "coordinator/out_dir.h"
#include "coordinator/web/access.h"
#include "coordinator/web/events.h"
#include "coordinator/web/page.h"
#include "coordinator/web/thumbnail.h"

enum {
    MAX_CONNECTIONS = 64,
    MAX_CONNECTION_BYTES = 16 << 10, /* of memory: half of it for the headers of a request */
    TIMEOUT_SECONDS = 15,
    STALE_MS = 10000, /* a loop that has not turned for so long is not well */
    MAX_PICTURE_BYTES = 64 << 20,
    N_CACHED = 2 * DF_VIEW_PICTURES,
};

typedef struct cached { /* a thumbnail */
    char png_sha256[DF_SHA256_HEX_BYTES]; /* of the whole picture; "": free */
    void *png;
    size_t bytes;
} cached;

struct df_web {
    df_web_cfg cfg;
    char token[DF_WEB_TOKEN_BYTES]; /* "": none is asked for */
    char url[80];
    struct MHD_Daemon *daemon;
    df_events *events;
    pthread_mutex_t lock;
    df_view *view; /* held; NULL before the first. Guarded by lock */
    cached cache[N_CACHED]; /* of the server's thread */
    size_t n_cached;
};

typedef struct request {
    df_web *web;
    struct MHD_Connection *connection;
    const char *path;
    df_view *view; /* held for the request, may be NULL */
} request;

static df_view *current_view(df_web *w) {
    pthread_mutex_lock(&w->lock);
    df_view *view = df_view_hold(w->view);
    pthread_mutex_unlock(&w->lock);
    return view;
}

/* answers */

static void add_safety(struct MHD_Response *r) {
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

static enum MHD_Result send_response(const request *rq, unsigned status, struct MHD_Response *r, const char *cache) {
    if (!r) return MHD_NO; /* closes the connection */
    add_safety(r);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
    enum MHD_Result result = MHD_queue_response(rq->connection, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result send_copy(const request *rq, unsigned status, const char *type, const void *data, size_t bytes) {
    struct MHD_Response *r = MHD_create_response_from_buffer(bytes, (void *)data, MHD_RESPMEM_MUST_COPY);
    if (r) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return send_response(rq, status, r, "no-store");
}

static enum MHD_Result say(const request *rq, unsigned status, const char *text) {
    return send_copy(rq, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* routes */

static enum MHD_Result get_state(const request *rq) {
    enum { BEFORE = sizeof "data: " - 1, AFTER = 2 };
    if (!rq->view) return say(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "not yet\n");
    return send_copy(rq, MHD_HTTP_OK, "application/json", rq->view->event + BEFORE,
                     rq->view->event_bytes - BEFORE - AFTER);
}

static enum MHD_Result get_metrics(const request *rq) {
    if (!rq->view) return say(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "not yet\n");
    return send_copy(rq, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", rq->view->metrics,
                     rq->view->metrics_bytes);
}

static enum MHD_Result get_health(const request *rq) {
    if (rq->view && df_clock_ms() - rq->view->made_ms < STALE_MS) return say(rq, MHD_HTTP_OK, "ok\n");
    return say(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the coordinator's loop does not turn\n");
}

static enum MHD_Result get_events(const request *rq) {
    struct MHD_Response *r = df_events_response(rq->web->events, rq->connection);
    if (!r) return say(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "too many pages are open\n");
    return send_response(rq, MHD_HTTP_OK, r, "no-store");
}

static enum MHD_Result send_file(const request *rq, const char *type, const unsigned char *data, size_t bytes) {
    struct MHD_Response *r = MHD_create_response_from_buffer(bytes, (void *)data, MHD_RESPMEM_PERSISTENT);
    if (r) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return send_response(rq, MHD_HTTP_OK, r, "no-cache");
}

/* The link that the coordinator's owner opens: the token moves from the address into a cookie. */
static enum MHD_Result take_token(const request *rq) {
    char cookie[DF_WEB_TOKEN_BYTES + 64];
    struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    snprintf(cookie, sizeof cookie, "diffarm_token=%s; Path=/; HttpOnly; SameSite=Strict", rq->web->token);
    if (r) MHD_add_response_header(r, MHD_HTTP_HEADER_SET_COOKIE, cookie);
    if (r) MHD_add_response_header(r, MHD_HTTP_HEADER_LOCATION, "/");
    return send_response(rq, MHD_HTTP_SEE_OTHER, r, "no-store");
}

static enum MHD_Result get_index(const request *rq) {
    if (rq->web->token[0] && MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, "token"))
        return take_token(rq);
    return send_file(rq, "text/html; charset=utf-8", df_web_index_html, df_web_index_html_bytes);
}

/* thumbnails */

static const cached *find_cached(const df_web *w, const char *png_sha256) {
    for (size_t i = 0; i < N_CACHED; i++)
        if (w->cache[i].png && !strcmp(w->cache[i].png_sha256, png_sha256)) return &w->cache[i];
    return NULL;
}

static const cached *make_thumbnail(df_web *w, const df_view_picture *p) {
    char *data = NULL;
    size_t bytes = 0;
    cached fresh = { 0 };
    if (df_out_dir_read_from(p->out_dir, p->path, MAX_PICTURE_BYTES, &data, &bytes, NULL)) return NULL;
    df_code rc = df_thumbnail_of(data, bytes, &fresh.png, &fresh.bytes, NULL);
    free(data);
    if (rc) return NULL;
    memcpy(fresh.png_sha256, p->png_sha256, sizeof fresh.png_sha256);
    cached *oldest = &w->cache[w->n_cached++ % N_CACHED];
    free(oldest->png);
    *oldest = fresh;
    return oldest;
}

/* "/thumb/JOB/ROW": names a picture of the view, never a file. */
static enum MHD_Result get_thumbnail(const request *rq) {
    char job[DF_JOB_ID_CHARS + 1];
    uint64_t row;
    int end = 0;
    if (sscanf(rq->path, "/thumb/%16[0-9a-f]/%9" SCNu64 "%n", job, &row, &end) != 2 || rq->path[end])
        return say(rq, MHD_HTTP_NOT_FOUND, "no such page\n");
    const df_view_picture *p = rq->view ? df_view_find_picture(rq->view, job, row) : NULL;
    const cached *thumbnail = p ? find_cached(rq->web, p->png_sha256) : NULL;
    if (p && !thumbnail) thumbnail = make_thumbnail(rq->web, p);
    if (!thumbnail) return say(rq, MHD_HTTP_NOT_FOUND, "no such picture\n");
    struct MHD_Response *r = MHD_create_response_from_buffer(thumbnail->bytes, thumbnail->png, MHD_RESPMEM_MUST_COPY);
    if (r) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "image/png");
    return send_response(rq, MHD_HTTP_OK, r, "private, max-age=86400, immutable");
}

static enum MHD_Result get_css(const request *rq) {
    return send_file(rq, "text/css; charset=utf-8", df_web_page_css, df_web_page_css_bytes);
}

static enum MHD_Result get_js(const request *rq) {
    return send_file(rq, "text/javascript; charset=utf-8", df_web_page_js, df_web_page_js_bytes);
}

static enum MHD_Result route(const request *rq) {
    static const struct {
        const char *path;
        enum MHD_Result (*get)(const request *rq);
    } routes[] = { { "/", get_index },        { "/page.css", get_css },  { "/page.js", get_js },
                   { "/state", get_state },   { "/events", get_events }, { "/metrics", get_metrics },
                   { "/healthz", get_health } };
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strcmp(routes[i].path, rq->path)) return routes[i].get(rq);
    return get_thumbnail(rq);
}

/* who may ask, and how */

static bool shows_token(const request *rq) {
    static const char bearer[] = "Bearer ";
    struct MHD_Connection *c = rq->connection;
    const char *token = rq->web->token;
    const char *header = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (header && !strncmp(header, bearer, sizeof bearer - 1) && df_web_same_token(token, header + sizeof bearer - 1))
        return true;
    return df_web_same_token(token, MHD_lookup_connection_value(c, MHD_COOKIE_KIND, "diffarm_token")) ||
           (!strcmp(rq->path, "/") &&
            df_web_same_token(token, MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "token")));
}

static enum MHD_Result check_and_route(const request *rq) {
    if (!strcmp(rq->path, "/healthz")) return get_health(rq);
    if (rq->web->token[0] && !shows_token(rq))
        return say(
            rq, MHD_HTTP_UNAUTHORIZED,
            "This page needs a token: open /?token=TOKEN with the one in the coordinator's --http-token file.\n");
    if (!rq->web->token[0] &&
        !df_web_is_own_host(MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
        return say(rq, MHD_HTTP_FORBIDDEN, "Open this page as http://localhost or http://127.0.0.1.\n");
    return route(rq);
}

static bool has_body(struct MHD_Connection *c) {
    const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
           (length && strcmp(length, "0") != 0);
}

/* Called twice for a request: when its headers are there, and at its end. */
static enum MHD_Result take(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                            const char *version, const char *upload, size_t *upload_bytes, void **marker) {
    (void)version;
    (void)upload;
    (void)upload_bytes;
    static char headers_are_there;
    request rq = { .web = ctx, .connection = connection, .path = path };
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return say(&rq, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (has_body(connection)) return say(&rq, MHD_HTTP_CONTENT_TOO_LARGE, "requests have no body here\n");
    if (!*marker) {
        *marker = &headers_are_there;
        return MHD_YES;
    }
    rq.view = current_view(ctx);
    enum MHD_Result result = check_and_route(&rq);
    df_view_drop(&rq.view);
    return result;
}

/* opening */

static df_code prepare(df_web *w, struct sockaddr_storage *address, df_err *err) {
    df_code rc = df_web_parse_address(w->cfg.bind, address, err);
    if (!rc && w->cfg.token_file) rc = df_web_load_token(w->cfg.token_file, w->token, err);
    if (rc || w->token[0] || df_web_is_loopback(address)) return rc;
    return df_err_set(err, DF_EINVAL,
                      "--http %s: other machines could reach this: give --http-token FILE (it is made if absent), or "
                      "listen on 127.0.0.1 and use an SSH tunnel",
                      w->cfg.bind);
}

static void be_silent(void *ctx, const char *format, va_list args) {
    (void)ctx;
    (void)format;
    (void)args; /* the server's complaints are about peers that went away */
}

static df_code listen_on(df_web *w, struct sockaddr_storage *address, df_err *err) {
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    w->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, take, w, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)address, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_CONNECTION_BYTES,
                         MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!w->daemon) return df_err_set(err, DF_EIO, "--http %s: cannot listen there; is the port taken?", w->cfg.bind);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(w->url, sizeof w->url, "http://%.*s:%u/", (int)(strrchr(w->cfg.bind, ':') - w->cfg.bind), w->cfg.bind,
             info ? info->port : 0u);
    return DF_OK;
}

df_code df_web_open(df_web **out, const df_web_cfg *cfg, df_err *err) {
    struct sockaddr_storage address;
    df_web *w = calloc(1, sizeof *w);
    if (!w) return df_err_set(err, DF_ENOMEM, "the web server");
    w->cfg = *cfg;
    pthread_mutex_init(&w->lock, NULL);
    df_code rc = prepare(w, &address, err);
    if (!rc && !(w->events = df_events_new())) rc = df_err_set(err, DF_ENOMEM, "the web server");
    if (!rc) rc = listen_on(w, &address, err);
    if (rc)
        df_web_close(&w);
    else
        *out = w;
    return rc;
}

void df_web_close(df_web **w) {
    if (!*w) return;
    if ((*w)->events) df_events_stop((*w)->events);
    if ((*w)->daemon) MHD_stop_daemon((*w)->daemon);
    df_events_free(&(*w)->events);
    for (size_t i = 0; i < N_CACHED; i++) free((*w)->cache[i].png);
    df_view_drop(&(*w)->view);
    pthread_mutex_destroy(&(*w)->lock);
    free(*w);
    *w = NULL;
}

void df_web_publish(df_web *w, df_view **view) {
    df_events_publish(w->events, *view);
    pthread_mutex_lock(&w->lock);
    df_view *before = w->view;
    w->view = *view;
    pthread_mutex_unlock(&w->lock);
    *view = NULL;
    df_view_drop(&before);
}

const char *df_web_url(const df_web *w) {
    return w->url;
}

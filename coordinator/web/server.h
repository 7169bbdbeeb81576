/* The web server: one static page, live numbers, metrics, thumbnails. Reads only, and only what it was handed.
 *
 *   df_web_open(&w, &cfg, &err);            listens; a thread of its own from here on
 *   df_web_publish(w, &view);               takes the view: it is what is told from now on, also to those who wait
 *   df_web_close(&w);                       ends every connection and the thread
 *
 *   GET /              the page          GET /events      the same JSON as /state, whenever it changes (SSE)
 *   GET /state         one JSON object   GET /thumb/J/R   a small picture of row R of job J, if the view names it
 *   GET /metrics       Prometheus        GET /healthz     200 while the loop turns, else 503
 *
 * Beyond loopback every request but /healthz needs the token: "Authorization: Bearer TOKEN", or the cookie that
 * /?token=TOKEN sets. On loopback without a token the Host header must name this machine, so that no web site can
 * read the farm through its visitor's browser. Limits: 64 connections, 16 of them streams, 8 KiB of headers, no bodies,
 * 15 s of silence.
 * Threads: publish from one thread; the rest is inside. */
#ifndef DF_COORDINATOR_WEB_SERVER_H
#define DF_COORDINATOR_WEB_SERVER_H

#include "base/err.h"
#include "base/log.h"
#include "coordinator/web/view.h"

typedef struct df_web df_web;

typedef struct df_web_cfg {
    const char *bind; /* "127.0.0.1:7780", "[::1]:7780"; port 0: any free one */
    const char *token_file; /* NULL: none. Made, with a fresh token, if absent */
    const df_log *log; /* borrowed, may be NULL */
} df_web_cfg;

/* DF_EINVAL: bind is no address, or reaches beyond loopback without a token file, or that file can be read by others or
 * holds no token of 16 to 128 letters, digits, - or _. DF_EIO: cannot listen there. */
df_code df_web_open(df_web **out, const df_web_cfg *cfg, df_err *err);
void df_web_close(df_web **w);
void df_web_publish(df_web *w, df_view **view);
const char *df_web_url(const df_web *w); /* "http://127.0.0.1:7780/" */

#endif

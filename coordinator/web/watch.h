/* The loop's side of the web page: looks at the farm once a second and hands the server a view of it.
 *
 *   df_watch_open(&w, &cfg, farm, &err);      starts the server (web/server.h)
 *   df_watch_turn(w, now_ms);                 each turn of the loop; does nothing before a second has passed
 *   df_watch_close(&w);                       stops the server
 *
 * The server's thread never sees the farm: it reads views only. What a view may hold is limited (40 jobs, 200 workers,
 * 24 pictures), so that a look takes about a millisecond however large the farm is.
 * Threads: the loop's. */
#ifndef DF_COORDINATOR_WEB_WATCH_H
#define DF_COORDINATOR_WEB_WATCH_H

#include "coordinator/farm.h"
#include "coordinator/web/server.h"

enum { DF_WATCH_EVERY_MS = 1000, DF_WATCH_JOBS = 40, DF_WATCH_WORKERS = 200 };

typedef struct df_watch df_watch;

df_code df_watch_open(df_watch **out, const df_web_cfg *cfg, df_farm *farm, df_err *err); /* borrows the farm */
void df_watch_close(df_watch **w);
void df_watch_turn(df_watch *w, int64_t now_ms); /* NULL is fine: no web page is wanted */

#endif

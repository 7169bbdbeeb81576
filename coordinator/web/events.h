/* Streams of server-sent events: each viewer gets the newest view, and the next one when it comes. A viewer that is
 * slow misses views, never queues them: a stream sends one view at a time and then takes the newest.
 *
 *   df_events_new();  df_events_response(e)  for each viewer;  df_events_publish(e, view)  ...
 *   df_events_stop(e);  before the server is stopped: streams that wait are woken and end;  df_events_free(&e); after
 *
 * Threads: safe. */
#ifndef DF_COORDINATOR_WEB_EVENTS_H
#define DF_COORDINATOR_WEB_EVENTS_H

#include <microhttpd.h>

#include "coordinator/web/view.h"

enum { DF_EVENTS_MAX_STREAMS = 16 };

typedef struct df_events df_events;

df_events *df_events_new(void); /* NULL when out of memory */
void df_events_free(df_events **e);
void df_events_publish(df_events *e, df_view *view); /* borrows it; the streams hold it */
void df_events_stop(df_events *e);

/* The answer to one viewer; NULL when there are too many, or no memory. */
struct MHD_Response *df_events_response(df_events *e, struct MHD_Connection *connection);

#endif

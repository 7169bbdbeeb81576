#include "coordinator/web/events.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 << 10 };

typedef struct stream {
    struct stream *next;
    df_events *events;
    struct MHD_Connection *connection;
    df_view *sending; /* held; NULL: waits for the next */
    size_t sent; /* bytes of it */
    uint64_t seen; /* serial of the last view it took */
    bool asleep; /* its connection is suspended */
} stream;

/* One lock. The web server's own locks are taken inside it (suspend, resume), never the other way round. */
struct df_events {
    pthread_mutex_t lock;
    df_view *newest; /* held */
    uint64_t serial;
    stream *streams;
    int n_streams;
    bool stopping;
};

df_events *df_events_new(void) {
    df_events *e = calloc(1, sizeof *e);
    if (e) pthread_mutex_init(&e->lock, NULL);
    return e;
}

void df_events_free(df_events **e) {
    if (!*e) return;
    df_view_drop(&(*e)->newest);
    pthread_mutex_destroy(&(*e)->lock);
    free(*e);
    *e = NULL;
}

static void wake_all(df_events *e) {
    for (stream *s = e->streams; s; s = s->next) {
        if (s->asleep) MHD_resume_connection(s->connection);
        s->asleep = false;
    }
}

void df_events_publish(df_events *e, df_view *view) {
    pthread_mutex_lock(&e->lock);
    df_view_drop(&e->newest);
    e->newest = df_view_hold(view);
    e->serial++;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
}

void df_events_stop(df_events *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
}

/* one stream, in the server's thread */

static ssize_t put(stream *s, char *to, size_t max) {
    size_t left = s->sending->event_bytes - s->sent, n = left < max ? left : max;
    memcpy(to, s->sending->event + s->sent, n);
    s->sent += n;
    if (s->sent == s->sending->event_bytes) df_view_drop(&s->sending);
    return (ssize_t)n;
}

static ssize_t read_stream(void *ctx, uint64_t position, char *to, size_t max) {
    (void)position;
    stream *s = ctx;
    df_events *e = s->events;
    ssize_t n = 0;
    pthread_mutex_lock(&e->lock);
    if (!s->sending && e->newest && s->seen != e->serial) {
        s->sending = df_view_hold(e->newest);
        s->seen = e->serial;
        s->sent = 0;
    }
    if (e->stopping) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (s->sending) {
        n = put(s, to, max);
    } else {
        s->asleep = true;
        MHD_suspend_connection(s->connection);
    }
    pthread_mutex_unlock(&e->lock);
    return n;
}

static void end_stream(void *ctx) {
    stream *s = ctx;
    df_events *e = s->events;
    pthread_mutex_lock(&e->lock);
    stream **at = &e->streams;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    e->n_streams--;
    pthread_mutex_unlock(&e->lock);
    df_view_drop(&s->sending);
    free(s);
}

static bool add_stream(df_events *e, stream *s) {
    pthread_mutex_lock(&e->lock);
    bool room = e->n_streams < DF_EVENTS_MAX_STREAMS && !e->stopping;
    if (room) {
        s->next = e->streams;
        e->streams = s;
        e->n_streams++;
    }
    pthread_mutex_unlock(&e->lock);
    return room;
}

struct MHD_Response *df_events_response(df_events *e, struct MHD_Connection *connection) {
    stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->events = e;
    s->connection = connection;
    if (!add_stream(e, s)) {
        free(s);
        return NULL;
    }
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, s, end_stream);
    if (!r) {
        end_stream(s);
        return NULL;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    return r;
}

/* Messages between ranks: from posted to seen. A rank's port carries one message at a time each way. */
#include <stdlib.h>

#include "cluster/simulate/world.h"

static int id_of(const df_world *w, const df_message *m) {
    return (int)(m - w->messages);
}

df_message *df_message_of(df_world *w, int slot, int edge) {
    return &w->messages[slot * w->most_edges + edge];
}

static bool append(int **list, int *n, int *room, int x) {
    if (*n == *room) {
        int more = *room ? 2 * *room : 64;
        int *longer = realloc(*list, (size_t)more * sizeof *longer);
        if (!longer) return false;
        *list = longer;
        *room = more;
    }
    (*list)[(*n)++] = x;
    return true;
}

static void tell(df_world *w, int rank, const df_message *m) {
    df_sim_rank *r = &w->ranks[rank];
    if (!append(&r->news, &r->n_news, &r->news_room, id_of(w, m))) w->failed = true;
    df_rank_wake(w, rank);
}

static void begin_moving(df_world *w, df_message *m) {
    const df_hop *hop = df_world_hop(w, m->from, m->to);
    double seconds = m->bytes / hop->bytes_per_second;
    m->state = DF_MESSAGE_MOVING;
    w->out_busy[m->from] = w->in_busy[m->to] = true;
    df_world_add(w, seconds, DF_EVENT_PORTS_FREE, m->from, id_of(w, m));
    df_world_add(w, seconds + hop->latency_seconds, DF_EVENT_ARRIVES, m->to, id_of(w, m));
}

/* All that can, the oldest first. */
static void move_on(df_world *w) {
    int kept = 0;
    for (int i = 0; i < w->n_queue; i++) {
        df_message *m = &w->messages[w->queue[i]];
        if (w->out_busy[m->from] || w->in_busy[m->to])
            w->queue[kept++] = w->queue[i];
        else
            begin_moving(w, m);
    }
    w->n_queue = kept;
}

static void enqueue(df_world *w, df_message *m) {
    m->state = DF_MESSAGE_QUEUED;
    if (!append(&w->queue, &w->n_queue, &w->queue_room, id_of(w, m))) w->failed = true;
    move_on(w);
}

static bool is_eager(const df_world *w, const df_message *m) {
    return m->bytes <= w->cfg->eager_bytes;
}

void df_message_post(df_world *w, int slot, int edge) {
    df_message *m = df_message_of(w, slot, edge);
    m->posted_at = w->now;
    w->n_messages++;
    if (is_eager(w, m)) {
        m->is_sent = true; /* the transport has copied it */
        enqueue(w, m);
        tell(w, m->from, m);
        return;
    }
    m->state = DF_MESSAGE_POSTED;
    df_world_add(w, df_world_hop(w, m->from, m->to)->latency_seconds, DF_EVENT_ANNOUNCED, m->to, id_of(w, m));
}

void df_message_expect(df_world *w, int slot, int edge) {
    df_message *m = df_message_of(w, slot, edge);
    m->is_expected = true;
    m->expected_at = w->now;
    if (m->state == DF_MESSAGE_ANNOUNCED || m->state == DF_MESSAGE_THERE) tell(w, m->to, m);
}

void df_message_announce(df_world *w, int message) {
    df_message *m = &w->messages[message];
    m->state = DF_MESSAGE_ANNOUNCED;
    if (m->is_expected) tell(w, m->to, m);
}

void df_message_look(df_world *w, df_message *m) {
    if (m->state == DF_MESSAGE_ANNOUNCED) enqueue(w, m);
}

void df_ports_free(df_world *w, int message) {
    df_message *m = &w->messages[message];
    w->out_busy[m->from] = w->in_busy[m->to] = false;
    if (!m->is_sent) {
        m->is_sent = true;
        tell(w, m->from, m);
    }
    move_on(w);
}

void df_message_arrive(df_world *w, int message) {
    df_message *m = &w->messages[message];
    m->state = DF_MESSAGE_THERE;
    if (m->is_expected) tell(w, m->to, m);
}

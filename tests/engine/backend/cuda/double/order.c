#include "tests/engine/backend/cuda/double/order.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"

typedef struct access {
    struct access *next;
    const char *from, *to;
    int actor;
    uint32_t epoch;
    bool writes;
} access;

typedef struct span {
    struct span *next;
    const char *from, *to;
} span;

static int n_actors;
static struct spare {
    int actor;
    uint32_t epoch;
} spare[ACTORS];
static int n_spare;
static unsigned generation;

void clocks_join(clocks *to, const clocks *from) {
    for (int i = 0; i < ACTORS; i++) to->at[i] = from->at[i] > to->at[i] ? from->at[i] : to->at[i];
}

int new_actor(clocks *now) {
    if (n_spare) {
        const struct spare *s = &spare[--n_spare];
        if (now->at[s->actor] < s->epoch) now->at[s->actor] = s->epoch;
        return s->actor;
    }
    if (n_actors == ACTORS) gpu_double_report("more than %d streams, threads and branches of graphs", ACTORS);
    return n_actors < ACTORS ? n_actors++ : 0;
}

void free_actor(int actor, const clocks *now) {
    spare[n_spare++] = (struct spare) { actor, now->at[actor] };
}

host_thread *this_thread(void) {
    static _Thread_local host_thread host;
    if (host.generation != generation) {
        memset(&host, 0, sizeof host);
        host.generation = generation;
        host.actor = new_actor(&host.now);
    }
    return &host;
}

void order_reset(void) {
    n_actors = n_spare = 0;
    generation++;
}

static void mark_written(history *h, const char *from, const char *to) {
    span **at = &h->written, *s;
    while ((s = *at) && s->to < from) at = &s->next;
    while ((s = *at) && s->from <= to) {
        from = s->from < from ? s->from : from;
        to = s->to > to ? s->to : to;
        *at = s->next;
        free(s);
    }
    s = malloc(sizeof *s);
    if (!s) abort();
    *s = (span) { *at, from, to };
    *at = s;
}

bool history_is_written(const history *h, const void *data, size_t bytes) {
    const char *from = data;
    for (const span *s = h->written; s; s = s->next)
        if (s->from <= from && from + bytes <= s->to) return true;
    return bytes == 0;
}

/* Accesses that happened before one that covers them and writes need not be remembered. */
void history_touch(history *h, const toucher *by, const void *data, size_t bytes, bool writes) {
    const char *from = data, *to = from + bytes;
    uint32_t epoch = ++by->now->at[by->actor];
    for (access **at = &h->accesses, *a; (a = *at);) {
        bool before = a->epoch <= by->now->at[a->actor];
        if (a->from < to && from < a->to && (a->writes || writes) && !before)
            gpu_double_report("%s %s %zu bytes that are being %s by another stream or the host", by->who,
                              writes ? "writes" : "reads", bytes, a->writes ? "written" : "read");
        bool covered =
            before && from <= a->from && a->to <= to && (writes || a->actor == by->actor) && (writes || !a->writes);
        if (!covered) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        free(a);
    }
    access *mine = malloc(sizeof *mine);
    if (!mine) abort();
    *mine = (access) { h->accesses, from, to, by->actor, epoch, writes };
    h->accesses = mine;
    if (writes) mark_written(h, from, to);
}

bool history_is_before(const history *h, const clocks *now) {
    for (const access *a = h->accesses; a; a = a->next)
        if (a->epoch > now->at[a->actor]) return false;
    return true;
}

void history_free(history *h) {
    for (access *a; (a = h->accesses);) {
        h->accesses = a->next;
        free(a);
    }
    for (span *s; (s = h->written);) {
        h->written = s->next;
        free(s);
    }
}

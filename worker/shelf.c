#include "worker/shelf.h"

#include <stdlib.h>

#include "base/memory.h"

struct df_shelf {
    df_comm *comm;
    df_session_cfg cfg;
    size_t keep_bytes;
    df_session *at[DF_SESSION_PLACES];
    int64_t used[DF_SESSION_PLACES]; /* when each was taken last, in takes */
    int64_t takes;
    int current; /* place of the one in use, -1: none */
};

df_code df_shelf_new(df_shelf **out, df_comm *comm, const df_session_cfg *cfg, size_t keep_bytes, df_err *err) {
    df_shelf *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "the models of a worker");
    *s = (df_shelf) { .comm = comm, .cfg = *cfg, .keep_bytes = keep_bytes, .current = -1 };
    *out = s;
    return DF_OK;
}

/* The one in use first: the other ranks serve its pipeline, and hear of nothing else. */
void df_shelf_free(df_shelf **shelf) {
    if (!*shelf) return;
    df_shelf_drop(*shelf);
    for (int i = 0; i < DF_SESSION_PLACES; i++) df_session_close(&(*shelf)->at[i]);
    free(*shelf);
    *shelf = NULL;
}

void df_shelf_drop(df_shelf *s) {
    if (s->current >= 0) df_session_close(&s->at[s->current]);
    s->current = -1;
}

static void rest(df_shelf *s) {
    df_err err;
    if (s->current >= 0 && df_session_rest(s->at[s->current], &err)) df_session_close(&s->at[s->current]);
    s->current = -1;
}

static int find(const df_shelf *s, const df_session_want *want) {
    for (int i = 0; i < DF_SESSION_PLACES; i++)
        if (df_session_fits(s->at[i], want)) return i;
    return -1;
}

/* Of those there, but `except`: used longest ago. -1: there is none. */
static int oldest(const df_shelf *s, int except) {
    int found = -1;
    for (int i = 0; i < DF_SESSION_PLACES; i++)
        if (s->at[i] && i != except && (found < 0 || s->used[i] < s->used[found])) found = i;
    return found;
}

static size_t bytes_but(const df_shelf *s, int except) {
    size_t sum = 0;
    for (int i = 0; i < DF_SESSION_PLACES; i++)
        if (s->at[i] && i != except) sum += df_session_bytes(s->at[i]);
    return sum;
}

/* With none in use. */
static void trim(df_shelf *s, int except) {
    int i;
    while (bytes_but(s, except) > s->keep_bytes && (i = oldest(s, except)) >= 0) df_session_close(&s->at[i]);
}

static int free_place(df_shelf *s) {
    for (int i = 0; i < DF_SESSION_PLACES; i++)
        if (!s->at[i]) return i;
    int i = oldest(s, -1);
    df_session_close(&s->at[i]);
    return i;
}

df_code df_shelf_take(df_shelf *s, const df_session_want *want, df_session **out, bool *opened, df_err *err) {
    df_code rc = DF_OK;
    int place = find(s, want);
    bool is_new = place < 0;
    if (opened) *opened = is_new;
    if (is_new || place != s->current) {
        rest(s);
        trim(s, place);
        if (is_new) place = free_place(s);
        rc = is_new ? df_session_open(&s->at[place], s->comm, &s->cfg, want, place, err)
                    : df_session_resume(s->at[place], err);
    }
    if (rc) return rc;
    s->current = place;
    s->used[place] = ++s->takes;
    *out = s->at[place];
    return DF_OK;
}

size_t df_shelf_default_bytes(int ranks) {
    return (size_t)df_memory_machine_bytes() / 4 / (size_t)ranks;
}

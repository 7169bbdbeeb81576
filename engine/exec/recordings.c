#include "engine/exec/recordings.h"

#include <stdlib.h>

typedef struct entry {
    struct entry *next;
    df_recording_key key;
    bool has_run, plain; /* plain: it could not be recorded */
    df_recording *recording; /* NULL: not yet */
} entry;

struct df_recordings {
    const df_space *space;
    void *ctx;
    entry *entries;
};

df_code df_recordings_open(df_recordings **out, const df_space *space, void *ctx, df_err *err) {
    df_recordings *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "recordings");
    r->space = space;
    r->ctx = ctx;
    *out = r;
    return DF_OK;
}

void df_recordings_forget(df_recordings *r) {
    for (entry *e = r->entries, *next; e; e = next) {
        next = e->next;
        r->space->recording_close(r->ctx, &e->recording);
        free(e);
    }
    r->entries = NULL;
}

void df_recordings_close(df_recordings **recordings) {
    if (!recordings || !*recordings) return;
    df_recordings_forget(*recordings);
    free(*recordings);
    *recordings = NULL;
}

static bool is_same(const df_recording_key *a, const df_recording_key *b) {
    return a->slot == b->slot && a->segment == b->segment && a->n_rows == b->n_rows && a->still == b->still;
}

/* NULL when out of memory. */
static entry *entry_of(df_recordings *r, const df_recording_key *key) {
    entry *e = r->entries;
    while (e && !is_same(&e->key, key)) e = e->next;
    if (e || !(e = calloc(1, sizeof *e))) return e;
    e->key = *key;
    e->next = r->entries;
    r->entries = e;
    return e;
}

/* Leaves e->recording NULL where it cannot be. */
static void record(df_recordings *r, entry *e, df_code (*enqueue)(void *, df_err *), void *arg) {
    if (r->space->record_begin(r->ctx, NULL)) return;
    df_code rc = enqueue(arg, NULL);
    df_code ended = r->space->record_end(r->ctx, &e->recording, NULL);
    if (rc && !ended) r->space->recording_close(r->ctx, &e->recording);
}

df_code df_recordings_run(df_recordings *r, const df_recording_key *key, df_code (*enqueue)(void *arg, df_err *err),
                          void *arg, df_err *err) {
    entry *e = entry_of(r, key);
    if (!e || !e->has_run || e->plain) {
        df_code rc = enqueue(arg, err);
        if (e && !rc) e->has_run = true;
        return rc;
    }
    if (!e->recording) record(r, e, enqueue, arg);
    if (e->recording) return r->space->replay(r->ctx, e->recording, err);
    e->plain = true;
    return enqueue(arg, err);
}

int df_recordings_count(const df_recordings *r) {
    int n = 0;
    for (const entry *e = r->entries; e; e = e->next) n += e->recording != NULL;
    return n;
}

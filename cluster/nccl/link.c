#include "cluster/nccl/link.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { SENDER, RECEIVER, BOTH }; /* ranks in the communicator, and their number */

void df_nccl_link_open(df_nccl_link *l, const df_nccl_terms *terms, int rank, int peer, bool sends) {
    *l = (df_nccl_link) { .terms = *terms, .rank = rank, .peer = peer, .sends = sends };
}

static df_code fail(const df_nccl_link *l, df_err *err, const char *what, const char *why) {
    return df_err_set(err, DF_EUNREACHABLE, "rank %d: NCCL %s rank %d: %s: %s", l->rank, l->sends ? "to" : "from",
                      l->peer, what, why);
}

/* NCCL's own words, where it has some, say more than the code. */
static df_code nccl_error(const df_nccl_link *l, ncclResult_t r, const char *what, df_err *err) {
    char why[512];
    const char *text = l->terms.nccl->error_text(r), *more = l->terms.nccl->last_error(l->comm);
    if (!more || !*more) return fail(l, err, what, text);
    snprintf(why, sizeof why, "%s (%.*s)", text, (int)strcspn(more, "\n"), more);
    return fail(l, err, what, why);
}

static df_code cuda_error(const df_nccl_link *l, cudaError_t e, const char *what, df_err *err) {
    return fail(l, err, what, l->terms.cuda->error_text(e));
}

static df_code too_long(const df_nccl_link *l, const char *what, int64_t limit_ms, df_err *err) {
    return df_err_set(err, DF_EUNREACHABLE, "rank %d: NCCL %s rank %d: %s within %.1f s", l->rank,
                      l->sends ? "to" : "from", l->peer, what, (double)limit_ms / 1000);
}

static bool went_well(ncclResult_t r) {
    return r == ncclSuccess || r == ncclInProgress;
}

static void enter(df_nccl_link *l, df_nccl_link_state state) {
    l->state = state;
    l->since_ms = df_clock_ms();
}

df_code df_nccl_link_start(df_nccl_link *l, const ncclUniqueId *id, df_err *err) {
    cudaError_t e = l->terms.cuda->stream_create(&l->stream);
    if (e) return cuda_error(l, e, "stream", err);
    ncclResult_t r = l->terms.nccl->init(&l->comm, BOTH, *id, l->sends ? SENDER : RECEIVER);
    enter(l, DF_NCCL_LINK_STARTING);
    return went_well(r) ? DF_OK : nccl_error(l, r, "start", err);
}

void df_nccl_link_push(df_nccl_link *l, df_nccl_message *m) {
    m->next = NULL;
    m->state = DF_NCCL_QUEUED;
    if (l->first)
        l->last->next = m;
    else
        l->first = m;
    l->last = m;
}

bool df_nccl_link_is_idle(const df_nccl_link *l) {
    return !l->first && (l->state == DF_NCCL_LINK_CLOSED || l->state == DF_NCCL_LINK_READY);
}

static void drop_stream(df_nccl_link *l) {
    if (l->stream) l->terms.cuda->stream_destroy(l->stream);
    l->stream = NULL;
    enter(l, DF_NCCL_LINK_CLOSED);
}

/* The group is launched: now the stream may be told to mark where each message ends. */
static df_code launched(df_nccl_link *l, df_err *err) {
    for (df_nccl_message *m = l->first; m; m = m->next) {
        if (m->state != DF_NCCL_ISSUED) continue;
        cudaError_t e = l->terms.cuda->event_record(m->done, l->stream);
        if (e) return cuda_error(l, e, "event", err);
        m->state = DF_NCCL_FLYING;
        m->since_ms = df_clock_ms();
    }
    enter(l, DF_NCCL_LINK_READY);
    return DF_OK;
}

static df_code settled(df_nccl_link *l, df_err *err) {
    ncclResult_t r;
    switch (l->state) {
    case DF_NCCL_LINK_STARTING: enter(l, DF_NCCL_LINK_READY); return DF_OK;
    case DF_NCCL_LINK_ISSUING: return launched(l, err);
    case DF_NCCL_LINK_FINISHING:
        r = l->terms.nccl->destroy(l->comm);
        l->comm = NULL;
        drop_stream(l);
        return went_well(r) ? DF_OK : nccl_error(l, r, "end", err);
    default: return DF_OK;
    }
}

/* What the communicator was last asked for has ended, goes on, or has failed. */
static df_code ask(df_nccl_link *l, df_err *err) {
    ncclResult_t state = ncclSuccess;
    ncclResult_t r = l->terms.nccl->async_error(l->comm, &state);
    l->checked_ms = df_clock_ms();
    if (r != ncclSuccess) return nccl_error(l, r, "state", err);
    if (state == ncclSuccess) return settled(l, err);
    if (state != ncclInProgress) return nccl_error(l, state, "broken", err);
    int64_t limit = l->state == DF_NCCL_LINK_ISSUING ? l->terms.message_ms : l->terms.start_ms;
    if (l->checked_ms - l->since_ms <= limit) return DF_OK;
    const char *what = l->state == DF_NCCL_LINK_STARTING  ? "did not come up"
                       : l->state == DF_NCCL_LINK_ISSUING ? "launched nothing"
                                                          : "did not end";
    return too_long(l, what, limit, err);
}

static df_code take_finished(df_nccl_link *l, df_err *err) {
    while (l->first && l->first->state == DF_NCCL_FLYING) {
        cudaError_t e = l->terms.cuda->event_query(l->first->done);
        if (e == cudaErrorNotReady) return DF_OK;
        if (e) return cuda_error(l, e, "message", err);
        l->first->state = DF_NCCL_DONE;
        l->first = l->first->next;
        if (l->first) l->first->since_ms = df_clock_ms(); /* it was its turn only now */
    }
    return DF_OK;
}

static df_code check_pace(df_nccl_link *l, df_err *err) {
    df_nccl_message *m = l->first;
    if (!m || m->state != DF_NCCL_FLYING) return DF_OK;
    if (m->after_compute && l->terms.cuda->event_query(m->ready) == cudaErrorNotReady) m->since_ms = df_clock_ms();
    if (df_clock_ms() - m->since_ms <= l->terms.message_ms) return DF_OK;
    return too_long(l, "a message did not move", l->terms.message_ms, err);
}

df_code df_nccl_link_poll(df_nccl_link *l, df_err *err) {
    if (l->state == DF_NCCL_LINK_CLOSED) return DF_OK;
    bool waits = l->state != DF_NCCL_LINK_READY;
    bool is_due = df_clock_ms() - l->checked_ms >= l->terms.check_ms;
    df_code rc = waits || is_due ? ask(l, err) : DF_OK;
    if (!rc && is_due) rc = check_pace(l, err);
    return rc ? rc : take_finished(l, err);
}

static bool can_issue(const df_nccl_link *l) {
    return l->state == DF_NCCL_LINK_READY && l->last && l->first && l->last->state == DF_NCCL_QUEUED;
}

/* Before the group, whose launch may be another thread's. */
static df_code order_after_compute(df_nccl_link *l, df_err *err) {
    for (df_nccl_message *m = l->first; m; m = m->next) {
        if (m->state != DF_NCCL_QUEUED || !m->after_compute) continue;
        cudaError_t e = l->terms.cuda->stream_wait_event(l->stream, m->ready);
        if (e) return cuda_error(l, e, "event", err);
    }
    return DF_OK;
}

static df_code issue(df_nccl_link *l, df_err *err) {
    const df_nccl_api *nccl = l->terms.nccl;
    for (df_nccl_message *m = l->first; m; m = m->next) {
        if (m->state != DF_NCCL_QUEUED) continue;
        ncclResult_t r = l->sends ? nccl->send(m->data, m->bytes, RECEIVER, l->comm, l->stream)
                                  : nccl->recv(m->data, m->bytes, SENDER, l->comm, l->stream);
        if (!went_well(r)) return nccl_error(l, r, l->sends ? "send" : "receive", err);
        m->state = DF_NCCL_ISSUED;
    }
    enter(l, DF_NCCL_LINK_ISSUING);
    return DF_OK;
}

/* The group is ended after an error too: NCCL would take what follows for more of it. */
static df_code issue_group(df_nccl_link *const *links, int n, df_err *err) {
    df_nccl_link *any = NULL;
    df_code rc = DF_OK;
    for (int i = 0; i < n && !any; i++)
        if (can_issue(links[i])) any = links[i];
    if (!any) return DF_OK;
    ncclResult_t r = any->terms.nccl->group_start();
    if (r != ncclSuccess) return nccl_error(any, r, "group", err);
    for (int i = 0; i < n && !rc; i++)
        if (can_issue(links[i])) rc = issue(links[i], err);
    r = any->terms.nccl->group_end();
    return rc || went_well(r) ? rc : nccl_error(any, r, "group", err);
}

df_code df_nccl_links_issue(df_nccl_link *const *links, int n, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < n && !rc; i++)
        if (can_issue(links[i])) rc = order_after_compute(links[i], err);
    if (!rc) rc = issue_group(links, n, err);
    for (int i = 0; i < n && !rc; i++)
        if (links[i]->state == DF_NCCL_LINK_ISSUING) rc = ask(links[i], err);
    return rc;
}

df_code df_nccl_link_finish(df_nccl_link *l, df_err *err) {
    if (l->state != DF_NCCL_LINK_READY) return DF_OK;
    ncclResult_t r = l->terms.nccl->finalize(l->comm);
    enter(l, DF_NCCL_LINK_FINISHING);
    return went_well(r) ? DF_OK : nccl_error(l, r, "end", err);
}

void df_nccl_link_abort(df_nccl_link *l) {
    if (l->comm) l->terms.nccl->abort(l->comm);
    l->comm = NULL;
    if (l->stream) l->terms.cuda->stream_wait(l->stream); /* nothing on it waits for a peer any more */
    l->first = l->last = NULL;
    drop_stream(l);
}

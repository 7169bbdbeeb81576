#include "tests/cluster/nccl_double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { UP_AFTER = 3, LAUNCHED_AFTER = 2, NEVER = 1 << 30 };

typedef struct op {
    struct op *next; /* of its communicator and direction, in order */
    struct ncclComm *comm;
    bool sends, reached, ended;
    char *data;
    size_t bytes;
    int index; /* in its order */
    gpu_work *work;
    cudaStream_t stream;
    struct op *held_next; /* in a group, or waiting for the launch */
} op;

typedef struct pair {
    struct pair *next;
    unsigned id;
    struct ncclComm *side[2];
} pair;

struct ncclComm {
    struct ncclComm *next;
    pair *with;
    int rank;
    int asked; /* times, since what is in progress began */
    bool up, launching, finalizing, finalized, aborted, destroyed;
    op *ops[2]; /* [sends] newest first */
    op *held, **held_end; /* given to a group that ended, not on the stream yet */
};

static struct ncclComm *comms;
static pair *pairs;
static unsigned n_ids;
static int n_moved, break_at = NEVER;
static ncclResult_t break_why, init_result;

static _Thread_local struct {
    int depth;
    op *first, **end;
} group;

/* finding */

static bool is_broken(void) {
    return n_moved >= break_at;
}

static struct ncclComm *peer_of(const struct ncclComm *c) {
    return c->with->side[!c->rank];
}

static bool is_gone(const struct ncclComm *c) {
    return !c || c->aborted || c->destroyed;
}

static op *partner_of(const op *o) {
    struct ncclComm *peer = peer_of(o->comm);
    if (!peer) return NULL;
    for (op *p = peer->ops[!o->sends]; p; p = p->next)
        if (p->index == o->index) return p;
    return NULL;
}

/* moving */

static void move(op *send, op *recv) {
    if (send->bytes != recv->bytes) gpu_double_report("%zu bytes are sent, %zu received", send->bytes, recv->bytes);
    gpu_work_touch(send->work, send->data, send->bytes, false);
    gpu_work_join(recv->work, send->work);
    gpu_work_touch(recv->work, recv->data, recv->bytes, true);
    memcpy(recv->data, send->data, send->bytes < recv->bytes ? send->bytes : recv->bytes);
    send->ended = recv->ended = true;
    n_moved++;
}

static bool run_op(void *ctx, gpu_work *self) {
    op *o = ctx;
    if (o->comm->aborted) return true;
    o->work = self;
    o->reached = true;
    op *p = o->ended || is_broken() ? NULL : partner_of(o);
    if (p && p->reached && !p->ended && !p->comm->aborted) move(o->sends ? o : p, o->sends ? p : o);
    return o->ended;
}

static void launch(struct ncclComm *c) {
    for (op *o = c->held; o; o = o->held_next) gpu_double_enqueue(o->stream, run_op, o);
    c->held = NULL;
    c->held_end = &c->held;
    c->launching = false;
}

/* communicators */

static ncclResult_t unique_id(ncclUniqueId *id) {
    gpu_double_lock();
    memset(id, 0, sizeof *id);
    n_ids++;
    memcpy(id->internal, &n_ids, sizeof n_ids);
    gpu_double_unlock();
    return ncclSuccess;
}

static pair *pair_of(unsigned id) {
    pair *p = pairs;
    while (p && p->id != id) p = p->next;
    if (p) return p;
    p = calloc(1, sizeof *p);
    if (!p) abort();
    *p = (pair) { .next = pairs, .id = id };
    pairs = p;
    return p;
}

static ncclResult_t init(ncclComm_t *out, int n_ranks, ncclUniqueId wanted, int rank) {
    unsigned id;
    memcpy(&id, wanted.internal, sizeof id);
    if (init_result != ncclSuccess && init_result != ncclInProgress) return init_result;
    gpu_double_lock();
    if (group.depth) gpu_double_report("a communicator is made inside a group");
    if (!id || id > n_ids) gpu_double_report("a unique id that was never made");
    if (n_ranks != 2 || rank < 0 || rank > 1)
        gpu_double_report("rank %d of %d: communicators of two here", rank, n_ranks);
    pair *p = pair_of(id);
    if (p->side[rank & 1]) gpu_double_report("a unique id is used twice for rank %d", rank);
    struct ncclComm *c = calloc(1, sizeof *c);
    if (!c) abort();
    *c = (struct ncclComm) { .next = comms, .with = p, .rank = rank & 1, .held_end = &c->held };
    p->side[rank & 1] = comms = c;
    gpu_double_unlock();
    *out = c;
    return ncclInProgress;
}

static bool is_there(const struct ncclComm *c) {
    if (c && !is_gone(c)) return true;
    gpu_double_report("a communicator is used that is not there any more");
    return false;
}

static ncclResult_t progress_of(struct ncclComm *c) {
    struct ncclComm *peer = peer_of(c);
    if (is_broken() && break_why != ncclInProgress) return break_why;
    if (peer && peer->aborted) return ncclRemoteError;
    c->asked++;
    if (!c->up) {
        c->up = peer && c->asked >= UP_AFTER && init_result == ncclSuccess;
        return c->up ? ncclSuccess : ncclInProgress;
    }
    if (c->launching && c->asked >= LAUNCHED_AFTER) launch(c);
    if (c->finalizing) c->finalized = peer && (peer->finalizing || peer->destroyed);
    return c->launching || (c->finalizing && !c->finalized) ? ncclInProgress : ncclSuccess;
}

static ncclResult_t async_error(ncclComm_t c, ncclResult_t *state) {
    gpu_double_lock();
    if (group.depth) gpu_double_report("the state of a communicator is asked for inside a group");
    bool there = is_there(c);
    *state = there ? progress_of(c) : ncclInvalidArgument;
    gpu_double_unlock();
    return there ? ncclSuccess : ncclInvalidArgument;
}

static bool has_messages(const struct ncclComm *c) {
    for (int sends = 0; sends < 2; sends++)
        for (const op *o = c->ops[sends]; o; o = o->next)
            if (!o->ended) return true;
    return false;
}

static ncclResult_t finalize(ncclComm_t c) {
    gpu_double_lock();
    bool there = is_there(c);
    if (there && (!c->up || c->launching || has_messages(c)))
        gpu_double_report("a communicator is ended with messages under way");
    if (there) c->finalizing = true, c->asked = 0;
    gpu_double_unlock();
    return there ? ncclInProgress : ncclInvalidArgument;
}

static ncclResult_t destroy(ncclComm_t c) {
    gpu_double_lock();
    bool there = is_there(c);
    if (there && !c->finalized) gpu_double_report("a communicator is destroyed that was not finalized");
    if (there) c->destroyed = true;
    gpu_double_unlock();
    return there ? ncclSuccess : ncclInvalidArgument;
}

static ncclResult_t abort_comm(ncclComm_t c) {
    gpu_double_lock();
    bool there = is_there(c);
    if (there) {
        launch(c);
        c->aborted = true;
    }
    gpu_double_unlock();
    return there ? ncclSuccess : ncclInvalidArgument;
}

/* groups and messages */

static ncclResult_t group_start(void) {
    if (!group.depth++) group.first = NULL, group.end = &group.first;
    return ncclSuccess;
}

static ncclResult_t group_end(void) {
    gpu_double_lock();
    if (!group.depth) gpu_double_report("a group is ended that was not begun");
    bool ends = group.depth > 0 && !--group.depth;
    for (op *o = ends ? group.first : NULL, *next; o; o = next) {
        next = o->held_next;
        o->held_next = NULL;
        *o->comm->held_end = o;
        o->comm->held_end = &o->held_next;
        o->comm->launching = true;
        o->comm->asked = 0;
    }
    gpu_double_unlock();
    return ends && group.first ? ncclInProgress : ncclSuccess;
}

static ncclResult_t post(bool sends, void *data, size_t bytes, int to, ncclComm_t c, cudaStream_t s) {
    gpu_double_lock();
    if (!is_there(c)) {
        gpu_double_unlock();
        return ncclInvalidArgument;
    }
    if (!group.depth) gpu_double_report("a message outside of a group");
    if (!c->up) gpu_double_report("a communicator is used before it is up");
    if (c->launching || c->finalizing) gpu_double_report("a communicator is used while it is busy");
    if (to != !c->rank) gpu_double_report("rank %d of two talks to rank %d", c->rank, to);
    op *o = calloc(1, sizeof *o);
    if (!o) abort();
    op *before = c->ops[sends];
    *o = (op) { .next = before, .comm = c, .sends = sends, .data = data, .bytes = bytes, .stream = s };
    o->index = before ? before->index + 1 : 0;
    c->ops[sends] = o;
    if (group.depth) {
        *group.end = o;
        group.end = &o->held_next;
    }
    gpu_double_unlock();
    return ncclSuccess;
}

static ncclResult_t send(const void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s) {
    return post(true, (void *)data, bytes, peer, comm, s);
}

static ncclResult_t recv(void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s) {
    return post(false, data, bytes, peer, comm, s);
}

/* the rest */

static ncclResult_t version(int *out) {
    *out = NCCL_VERSION_CODE;
    return ncclSuccess;
}

static const char *error_text(ncclResult_t r) {
    return r == ncclRemoteError ? "remote process exited or there was a network error" : "an error";
}

static const char *last_error(ncclComm_t comm) {
    (void)comm;
    return "";
}

int nccl_double_n_open(void) {
    int n = 0;
    gpu_double_lock();
    for (struct ncclComm *c = comms; c; c = c->next) n += !is_gone(c);
    gpu_double_unlock();
    return n;
}

int nccl_double_n_moved(void) {
    gpu_double_lock();
    int n = n_moved;
    gpu_double_unlock();
    return n;
}

void nccl_double_break(int after, ncclResult_t why) {
    gpu_double_lock();
    break_at = n_moved + after;
    break_why = why;
    gpu_double_unlock();
}

void nccl_double_refuse_init(ncclResult_t why) {
    init_result = why;
}

void nccl_double_reset(void) {
    for (struct ncclComm *c; (c = comms);) {
        comms = c->next;
        for (int sends = 0; sends < 2; sends++)
            for (op *o; (o = c->ops[sends]);) {
                c->ops[sends] = o->next;
                free(o);
            }
        free(c);
    }
    for (pair *p; (p = pairs);) {
        pairs = p->next;
        free(p);
    }
    n_ids = 0;
    n_moved = 0;
    break_at = NEVER;
    init_result = ncclSuccess;
    group.depth = 0;
}

const df_nccl_api nccl_double = {
    .version = version,
    .unique_id = unique_id,
    .init = init,
    .async_error = async_error,
    .group_start = group_start,
    .group_end = group_end,
    .send = send,
    .recv = recv,
    .finalize = finalize,
    .destroy = destroy,
    .abort = abort_comm,
    .error_text = error_text,
    .last_error = last_error,
};

#include "tests/engine/backend/cuda/double/graph.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/machine.h"
#include "tests/engine/backend/cuda/double/memory.h"
#include "tests/engine/backend/cuda/double/stream.h"

static const char a_graph[] = "a graph", an_exec[] = "an instantiated graph", a_capture[] = "a capture";

typedef struct node {
    int chain;
    progress after;
    gpu_run *run;
    void (*drop)(void *ctx);
    void *ctx;
} node;

typedef struct graph {
    gpu_object object;
    node *nodes;
    int n_nodes, n_chains;
    progress last; /* of each chain */
} graph;

struct capture {
    gpu_object object;
    graph *into;
    stream *origin;
    stream *streams[CHAINS];
    bool broken;
};

typedef struct exec {
    gpu_object object;
    graph *of;
    int actor[CHAINS]; /* [0] is the launching stream's */
    clocks last; /* what its last launch has ended with */
} exec;

void progress_join(progress *to, const progress *from) {
    for (int i = 0; i < CHAINS; i++) to->of[i] = from->of[i] > to->of[i] ? from->of[i] : to->of[i];
}

/* capturing */

static void free_nodes(void *object) {
    graph *g = object;
    for (int i = 0; i < g->n_nodes; i++) g->nodes[i].drop(g->nodes[i].ctx);
    free(g->nodes);
}

void capture_add(stream *s, gpu_run *run, void (*drop)(void *ctx), void *ctx) {
    graph *g = s->in->into;
    if (!drop) {
        gpu_double_report("a stream is captured with work that cannot be done twice");
        return;
    }
    if (!(g->n_nodes & (g->n_nodes + 1))) {
        node *more = realloc(g->nodes, (size_t)(2 * g->n_nodes + 2) * sizeof *more);
        if (!more) abort();
        g->nodes = more;
    }
    g->nodes[g->n_nodes++] = (node) { s->chain, s->after, run, drop, ctx };
    s->after.of[s->chain] = g->last.of[s->chain] = g->n_nodes;
}

void capture_enter(capture *c, stream *s, const progress *after) {
    if (s->in != c) {
        if (c->into->n_chains == CHAINS) {
            gpu_double_report("a capture of more than %d streams", CHAINS);
            return;
        }
        s->in = c;
        s->chain = c->into->n_chains++;
        s->after = (progress) { 0 };
        c->streams[s->chain] = s;
    }
    progress_join(&s->after, after);
}

void capture_break(capture *c) {
    c->broken = true;
}

bool capture_forbids(const char *what) {
    if (this_thread()->captures) gpu_double_report("%s while a stream is captured", what);
    return this_thread()->captures;
}

static cudaError_t begin(stream *s) {
    if (!s) return cudaErrorInvalidResourceHandle;
    if (s->in) {
        gpu_double_report("a stream is captured twice at once");
        return cudaErrorIllegalState;
    }
    capture *c = gpu_object_new(a_capture, sizeof *c);
    c->into = gpu_object_new(a_graph, sizeof *c->into);
    c->into->object.release = free_nodes;
    c->origin = s;
    capture_enter(c, s, &(progress) { 0 });
    this_thread()->captures++;
    return cudaSuccess;
}

cudaError_t capture_begin(cudaStream_t s) {
    gpu_double_lock();
    cudaError_t e = machine_result(begin(stream_of(s)));
    gpu_double_unlock();
    return e;
}

static bool is_joined(const capture *c) {
    for (int i = 0; i < c->into->n_chains; i++)
        if (c->origin->after.of[i] < c->into->last.of[i]) return false;
    return true;
}

static cudaError_t end(stream *s, cudaGraph_t *out) {
    *out = NULL;
    if (!s) return cudaErrorInvalidResourceHandle;
    capture *c = s->in;
    if (!c || c->origin != s) {
        gpu_double_report("a capture is ended on a stream that it was not begun on");
        return cudaErrorStreamCaptureUnmatched;
    }
    bool joined = is_joined(c);
    if (!joined) gpu_double_report("a capture is ended before its other streams have come back");
    for (int i = 0; i < c->into->n_chains; i++) c->streams[i]->in = NULL;
    this_thread()->captures--;
    c->object.destroyed = true;
    c->into->object.destroyed = !joined || c->broken;
    if (!joined) return cudaErrorStreamCaptureUnjoined;
    if (c->broken) return cudaErrorStreamCaptureInvalidated;
    *out = (cudaGraph_t)c->into;
    return cudaSuccess;
}

cudaError_t capture_end(cudaStream_t s, cudaGraph_t *out) {
    gpu_double_lock();
    cudaError_t e = machine_result(end(stream_of(s), out));
    gpu_double_unlock();
    return e;
}

/* launching */

cudaError_t graph_instantiate(cudaGraphExec_t *out, cudaGraph_t of) {
    gpu_double_lock();
    graph *g = gpu_object_of(of, a_graph);
    *out = NULL;
    if (g) {
        exec *x = gpu_object_new(an_exec, sizeof *x);
        x->of = g;
        for (int i = 1; i < g->n_chains; i++) x->actor[i] = new_actor(&x->last);
        *out = (cudaGraphExec_t)x;
    }
    cudaError_t e = machine_result(g ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return e;
}

typedef struct running {
    exec *x;
    gpu_work *work; /* of the nodes, as they run */
    bool *ended;
    int n_ended;
} running;

static void drop_running(void *ctx) {
    running *r = ctx;
    free(r->work);
    free(r->ended);
    free(r);
}

static bool can_run(const running *r, int i) {
    const progress *after = &r->x->of->nodes[i].after;
    for (int c = 0; c < CHAINS; c++)
        if (after->of[c] && !r->ended[after->of[c] - 1]) return false;
    return !r->ended[i];
}

static void join_nodes(const running *r, gpu_work *w, const progress *which) {
    for (int c = 0; c < CHAINS; c++)
        if (which->of[c]) gpu_work_join(w, &r->work[which->of[c] - 1]);
}

static void run_node(running *r, int i, const gpu_work *self) {
    const node *n = &r->x->of->nodes[i];
    gpu_work *w = &r->work[i];
    *w = *self;
    if (n->chain) w->actor = r->x->actor[n->chain];
    join_nodes(r, w, &n->after);
    if (!n->run(n->ctx, w)) gpu_double_report("work of a graph waits for something");
    memory_close();
    r->ended[i] = true;
    r->n_ended++;
}

/* Passes over the nodes; the coin leaves some that could run for the next. */
static bool run_graph(void *ctx, gpu_work *self) {
    running *r = ctx;
    const graph *g = r->x->of;
    clocks_join(&self->now, &r->x->last);
    while (r->n_ended < g->n_nodes)
        for (int i = 0; i < g->n_nodes; i++)
            if (can_run(r, i) && !streams_roll()) run_node(r, i, self);
    join_nodes(r, self, &g->last);
    r->x->last = self->now;
    return true;
}

cudaError_t graph_launch(cudaGraphExec_t what, cudaStream_t s) {
    gpu_double_lock();
    exec *x = gpu_object_of(what, an_exec);
    stream *on = stream_of(s);
    cudaError_t e = x && on ? cudaSuccess : cudaErrorInvalidResourceHandle;
    if (!e && on->in) {
        gpu_double_report("a graph is launched on a stream that is captured");
        e = cudaErrorStreamCaptureUnsupported;
    }
    if (!e) {
        running *r = calloc(1, sizeof *r);
        size_t n = (size_t)x->of->n_nodes + 1;
        if (!r || !(r->work = calloc(n, sizeof *r->work)) || !(r->ended = calloc(n, 1))) abort();
        r->x = x;
        e = stream_add(on, run_graph, drop_running, r);
    }
    machine_result(e);
    gpu_double_unlock();
    return e;
}

cudaError_t graph_destroy(cudaGraph_t g) {
    gpu_double_lock();
    cudaError_t e = machine_result(gpu_object_destroy(g, a_graph) ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return e;
}

cudaError_t graph_exec_destroy(cudaGraphExec_t x) {
    gpu_double_lock();
    exec *mine = gpu_object_of(x, an_exec);
    cudaError_t e = machine_result(mine ? cudaSuccess : cudaErrorInvalidResourceHandle);
    streams_run();
    if (mine) {
        mine->object.destroyed = true;
        for (int i = 1; i < mine->of->n_chains; i++) free_actor(mine->actor[i], &mine->last);
    }
    gpu_double_unlock();
    return e;
}

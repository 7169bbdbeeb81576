#include "tests/engine/exec/deferred_backend.h"

#include <stdlib.h>
#include <string.h>

deferred_count deferred;
bool deferred_cannot_record, deferred_fails;
size_t deferred_memory_bytes = SIZE_MAX;
static size_t used_bytes;

/* A device's address is one that no host has. */
#define FAR ((uintptr_t)1 << 62)

static void *far_of(void *p) {
    return p ? (void *)((uintptr_t)p | FAR) : NULL;
}

static void *near_of(const void *p) {
    if (p && !((uintptr_t)p & FAR)) abort(); /* memory of the host, where the device's was due */
    return p ? (void *)((uintptr_t)p & ~FAR) : NULL;
}

typedef struct task {
    df_kernel *kernel; /* NULL: a copy */
    int64_t n_rows;
    const void *in[DF_NODE_MAX_IN], *add_channel, *residual;
    void *out, *scratch;
    const void *from;
    size_t bytes;
} task;

typedef struct tasks {
    task *of;
    int n;
} tasks;

struct df_recording {
    tasks all;
};

typedef struct context {
    void *inner;
    tasks queue, recorded;
    bool records;
} context;

struct df_kernel {
    context *ctx;
    struct df_kernel *inner; /* the reference's, which is another struct of that name */
};

static void append(tasks *t, task one) {
    t->of = realloc(t->of, (size_t)(t->n + 1) * sizeof *t->of);
    t->of[t->n++] = one;
}

static void enqueue(context *c, task one) {
    append(c->records ? &c->recorded : &c->queue, one);
}

static df_code do_task(const task *t, df_err *err) {
    if (!t->kernel) {
        memcpy(t->out, t->from, t->bytes);
        return DF_OK;
    }
    deferred.nodes++;
    if (deferred_fails) return df_err_set(err, DF_EBACKEND, "a late error");
    return df_backend_reference.node_run(t->kernel->inner, t->n_rows, t->in, t->add_channel, t->residual, t->out,
                                         t->scratch, err);
}

static df_code do_all(context *c, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < c->queue.n && !rc; i++) rc = do_task(&c->queue.of[i], err);
    c->queue.n = 0;
    return rc;
}

static df_code deferred_open(void **ctx, const df_backend_cfg *cfg, df_err *err) {
    context *c = calloc(1, sizeof *c);
    df_code rc = df_backend_reference.open(&c->inner, cfg, err);
    if (rc)
        free(c);
    else
        *ctx = c;
    return rc;
}

static void deferred_close(void **ctx) {
    context *c = *ctx;
    df_backend_reference.close(&c->inner);
    free(c->queue.of);
    free(c->recorded.of);
    free(c);
    *ctx = NULL;
}

static df_code node_open(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                         const float *const *weights, df_err *err) {
    context *c = ctx;
    df_kernel *k = calloc(1, sizeof *k);
    k->ctx = c;
    df_code rc = df_backend_reference.node_open(c->inner, &k->inner, g, node, weights, err);
    if (rc)
        free(k);
    else
        *out = k;
    return rc;
}

static void node_close(df_kernel **k) {
    if (!*k) return;
    df_backend_reference.node_close(&(*k)->inner);
    free(*k);
    *k = NULL;
}

static size_t node_weight_bytes(void *ctx, const df_graph *g, const df_node *node) {
    return df_backend_reference.node_weight_bytes(((context *)ctx)->inner, g, node);
}

static df_code node_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    return df_backend_reference.node_prepare(k->inner, n_rows, scratch_bytes, err);
}

static df_code node_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    (void)err;
    task t = { .kernel = k,
               .n_rows = n_rows,
               .add_channel = near_of(add_channel),
               .residual = near_of(residual),
               .out = near_of(out),
               .scratch = near_of(scratch) };
    for (int i = 0; i < DF_NODE_MAX_IN; i++) t.in[i] = near_of(in[i]);
    enqueue(k->ctx, t);
    return DF_OK;
}

/* Each block has its size in front. */
enum { HEAD = 64 };

static df_code space_alloc(void *ctx, void **p, size_t bytes, df_err *err) {
    (void)ctx;
    if (bytes > deferred_memory_bytes - used_bytes) return df_err_set(err, DF_ENOMEM, "no room for %zu bytes", bytes);
    char *block = aligned_alloc(64, HEAD + (bytes + 63) / 64 * 64);
    *(size_t *)(void *)block = bytes;
    used_bytes += bytes;
    memset(block + HEAD, 0xff, bytes); /* NaN */
    *p = far_of(block + HEAD);
    return DF_OK;
}

static void space_free(void *ctx, void *p) {
    do_all(ctx, NULL);
    if (!p) return;
    char *block = (char *)near_of(p) - HEAD;
    used_bytes -= *(size_t *)(void *)block;
    free(block);
}

static size_t space_free_bytes(void *ctx) {
    (void)ctx;
    return deferred_memory_bytes == SIZE_MAX ? 0 : deferred_memory_bytes - used_bytes;
}

static df_code space_host_alloc(void *ctx, void **p, size_t bytes, df_err *err) {
    (void)ctx, (void)err;
    *p = memset(aligned_alloc(64, (bytes + 63) / 64 * 64), 0xff, bytes);
    return DF_OK;
}

static void space_host_free(void *ctx, void *p) {
    do_all(ctx, NULL);
    free(p);
}

static df_code space_upload(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    (void)err;
    deferred.uploads++;
    enqueue(ctx, (task) { .out = near_of(to), .from = from, .bytes = bytes });
    return DF_OK;
}

static df_code space_download(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    (void)err;
    deferred.downloads++;
    enqueue(ctx, (task) { .out = to, .from = near_of(from), .bytes = bytes });
    return DF_OK;
}

static df_code space_wait(void *ctx, df_err *err) {
    context *c = ctx;
    if (c->records) abort(); /* nothing is waited for in a recording */
    deferred.waits++;
    return do_all(c, err);
}

static df_code record_begin(void *ctx, df_err *err) {
    (void)err;
    ((context *)ctx)->records = true;
    return DF_OK;
}

static df_code record_end(void *ctx, df_recording **out, df_err *err) {
    context *c = ctx;
    c->records = false;
    df_recording *r = calloc(1, sizeof *r);
    r->all = c->recorded;
    c->recorded = (tasks) { 0 };
    if (deferred_cannot_record) {
        free(r->all.of);
        free(r);
        return df_err_set(err, DF_EBACKEND, "no recordings");
    }
    deferred.recordings++;
    *out = r;
    return DF_OK;
}

static df_code replay(void *ctx, df_recording *r, df_err *err) {
    (void)err;
    deferred.replays++;
    for (int i = 0; i < r->all.n; i++) enqueue(ctx, r->all.of[i]);
    return DF_OK;
}

static void recording_close(void *ctx, df_recording **r) {
    do_all(ctx, NULL);
    if (!*r) return;
    free((*r)->all.of);
    free(*r);
    *r = NULL;
}

static void *space_stream(void *ctx) {
    return ctx;
}

void deferred_copy(void *to_stream, void *to, void *from_stream, const void *from, size_t bytes) {
    do_all(from_stream, NULL);
    enqueue(to_stream, (task) { .out = near_of(to), .from = near_of(from), .bytes = bytes });
}

static const df_space space = { .alloc = space_alloc,
                                .free = space_free,
                                .free_bytes = space_free_bytes,
                                .host_alloc = space_host_alloc,
                                .host_free = space_host_free,
                                .upload = space_upload,
                                .download = space_download,
                                .wait = space_wait,
                                .record_begin = record_begin,
                                .record_end = record_end,
                                .replay = replay,
                                .recording_close = recording_close,
                                .stream = space_stream };

const df_backend deferred_backend = { .name = "deferred",
                                      .open = deferred_open,
                                      .close = deferred_close,
                                      .node_open = node_open,
                                      .node_close = node_close,
                                      .node_weight_bytes = node_weight_bytes,
                                      .node_prepare = node_prepare,
                                      .node_run = node_run,
                                      .space = &space };

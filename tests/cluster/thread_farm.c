#include "tests/cluster/thread_farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void *thread_farm_serve(void *arg) {
    thread_farm_rank *r = arg;
    df_pipeline *p = NULL;
    r->rc = df_pipeline_open(&p, r->comm, r->model, &r->cfg, &r->err);
    if (!r->rc) r->rc = df_pipeline_serve(p, &r->err);
    df_pipeline_close(&p);
    r->comm->ops->close(&r->comm);
    return NULL;
}

void thread_farm_open(thread_farm *f, const df_model *model, int n_ranks, const df_pipeline_cfg *cfg, bool each) {
    thread_farm_open_over(f, df_comm_threads_open, model, n_ranks, cfg, each);
}

void thread_farm_open_over(thread_farm *f, thread_farm_comm_fn *open, const df_model *model, int n_ranks,
                           const df_pipeline_cfg *cfg, bool each) {
    df_comm *comm[THREAD_FARM_MOST];
    df_err err;
    *f = (thread_farm) { .n_ranks = n_ranks };
    if (open(comm, n_ranks, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < n_ranks; i++) {
        f->rank[i] = (thread_farm_rank) { .comm = comm[i], .model = model, .cfg = cfg[each ? i : 0] };
        if (i > 0) assert_int_equal(pthread_create(&f->rank[i].thread, NULL, thread_farm_serve, &f->rank[i]), 0);
    }
    if (df_pipeline_open(&f->pipeline, comm[0], model, &f->rank[0].cfg, &err)) fail_msg("%s", err.text);
}

void thread_farm_close(thread_farm *f) {
    df_pipeline_close(&f->pipeline);
    f->rank[0].comm->ops->close(&f->rank[0].comm);
    for (int i = 1; i < f->n_ranks; i++) pthread_join(f->rank[i].thread, NULL);
}

df_code thread_farm_run(thread_farm *f, int slot, int program, int64_t n_rows, df_err *err) {
    df_code rc = df_pipeline_start(f->pipeline, slot, program, n_rows, err);
    for (int ended = -1; !rc && ended < 0;) rc = df_pipeline_advance(f->pipeline, 100000, &ended, err);
    return rc;
}

df_model *thread_farm_starter(void) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, DF_SOURCE_DIR "/models/starter", &err)) fail_msg("%s", err.text);
    return m;
}

void thread_farm_fill(float *x, size_t n, unsigned seed) {
    unsigned state = seed * 2654435761u + 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = ((float)(state >> 8) / (float)(1 << 24) - 0.5f) * 3.4f;
    }
}

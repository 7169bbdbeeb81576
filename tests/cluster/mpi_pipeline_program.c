/* Run by mpirun: renders a few rows over all ranks; rank 0 has rendered them alone before, and compares. With "halves"
 * the ranks are two halves, in f32 and bf16. With "fail" the U-Net's kernels of the last rank fail: the error must
 * reach rank 0 and the job must end in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/renderer.h"

enum { IMAGES = 5, SIDE = 64, BYTES = 3 * SIDE * SIDE };

typedef struct album {
    uint8_t rgb[IMAGES][BYTES];
    int n_images, n_failed;
    df_err why;
} album;

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    album *a = ctx;
    memcpy(a->rgb[id], picture->rgb, BYTES);
    a->n_images++;
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    album *a = ctx;
    (void)id;
    a->n_failed++;
    a->why = *why;
}

static df_code failing_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                           const void *residual, void *out, void *scratch, df_err *err) {
    (void)k, (void)n_rows, (void)in, (void)add_channel, (void)residual, (void)out, (void)scratch;
    return df_err_set(err, DF_EBACKEND, "no ink");
}

static df_code add_all(df_renderer *r, const df_model *m, df_err *err) {
    static const char *const schedulers[IMAGES] = { "ddim", "euler_a", "pndm", "dpmpp_2m", "euler" };
    df_code rc = DF_OK;
    for (int i = 0; i < IMAGES && !rc; i++) {
        df_request q = {
            .prompt = "ghost", .negative = "", .seed = (uint64_t)i, .steps = 2, .guidance = i % 2 ? 1 : 4
        };
        rc = df_scheduler_named(&q.scheduler, schedulers[i], df_model_scheduler_path(m), err);
        if (!rc) rc = df_renderer_add(r, (uint64_t)i, &q, err);
    }
    return rc;
}

static df_code render(df_pipeline *p, const df_model *m, album *out, df_err *err) {
    df_renderer_cfg cfg = { .micro_batch = 2, .ctx = out, .on_image = on_image, .on_failed = on_failed };
    df_renderer *r = NULL;
    df_code rc = df_renderer_open(&r, p, m, &cfg, err);
    if (!rc) rc = add_all(r, m, err);
    while (!rc && df_renderer_busy(r)) rc = df_renderer_step(r, 100000, err);
    df_renderer_close(&r);
    return rc;
}

/* How both are run. */
typedef struct manner {
    const df_backend *backend;
    df_dtype dtype;
    int n_halves;
} manner;

static df_code run(df_comm *comm, const df_model *m, const manner *how, album *out, df_err *err) {
    df_pipeline_cfg cfg = { .backend = how->backend,
                            .backend_cfg = { .dtype = how->dtype, .threads = 1 },
                            .max_rows = 4,
                            .n_slots = 3,
                            .n_halves = comm->size > 1 ? how->n_halves : 1 };
    df_pipeline *p = NULL;
    df_code rc = df_pipeline_open(&p, comm, m, &cfg, err);
    if (!rc) rc = comm->rank == 0 ? render(p, m, out, err) : df_pipeline_serve(p, err);
    df_pipeline_close(&p);
    return rc;
}

static int check(const album *alone, const album *all, bool failing) {
    if (failing) return all->n_failed == IMAGES && strstr(all->why.text, "no ink") ? 0 : 1;
    return all->n_images == IMAGES && memcmp(alone->rgb, all->rgb, sizeof all->rgb) == 0 ? 0 : 1;
}

static int compare(df_comm *comm, df_comm *self, const df_model *m, const manner *how, bool failing) {
    static album alone, all;
    df_err err = { 0 };
    df_backend broken = *how->backend;
    manner here = *how;
    alone.n_images = alone.n_failed = all.n_images = all.n_failed = 0;
    broken.node_run = failing_run;
    if (failing && comm->rank == comm->size - 1) here.backend = &broken;
    df_code rc = comm->rank == 0 ? run(self, m, how, &alone, &err) : DF_OK;
    if (!rc) rc = run(comm, m, &here, &all, &err);
    int bad = rc || (comm->rank == 0 && check(&alone, &all, failing));
    if (bad) fprintf(stderr, "%d pictures, %d failed: %s %s\n", all.n_images, all.n_failed, err.text, all.why.text);
    return bad;
}

int main(int argc, char **argv) {
    bool failing = argc > 1 && strcmp(argv[1], "fail") == 0, halves = argc > 1 && strcmp(argv[1], "halves") == 0;
    df_comm *comm = NULL, *self = NULL;
    df_model *m = NULL;
    df_err err = { 0 };
    df_code rc = df_comm_mpi_open(&comm, &err);
    if (!rc) rc = df_model_open(&m, DF_SOURCE_DIR "/models/starter", &err);
    if (!rc) rc = df_comm_self_open(&self, &err);
    int bad = rc;
    if (rc) fprintf(stderr, "%s\n", err.text);
    if (!bad) bad = compare(comm, self, m, &(manner) { &df_backend_cpu, DF_F32, halves ? 2 : 1 }, failing);
    if (!bad && halves && !df_backend_can_compute_in(&df_backend_cpu, DF_BF16, NULL))
        bad = compare(comm, self, m, &(manner) { &df_backend_cpu, DF_BF16, 2 }, failing);
    df_model_close(&m);
    if (self) self->ops->close(&self);
    if (comm) comm->ops->close(&comm);
    return bad;
}

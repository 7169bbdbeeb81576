/* Whole pictures, as a worker of one rank renders them: text, steps, decoder; files are not written. */
#include <stdio.h>

#include "base/clock.h"
#include "client/bench/gpu/timing.h"
#include "cluster/renderer.h"
#include "worker/defaults.h"

enum { WAIT_US = 20000, WARM_STEPS = 2 };

typedef struct shoot {
    const df_gpu_model *m;
    const df_timing_cfg *cfg;
    df_renderer *renderer;
    uint64_t next; /* id of the next request */
    int n_done, n;
    df_err failure; /* of a picture: nothing is timed then */
} shoot;

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    shoot *s = ctx;
    char text[64];
    (void)id, (void)picture;
    s->n_done++;
    snprintf(text, sizeof text, "%d of %d pictures", s->n_done, s->n);
    s->cfg->tell(s->cfg->tell_ctx, text);
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    (void)id;
    ((shoot *)ctx)->failure = *why;
}

static df_code add(shoot *s, int steps, df_err *err) {
    char prompt[32];
    const df_model_info *info = df_model_info_of(s->m->model);
    snprintf(prompt, sizeof prompt, "picture %llu", (unsigned long long)s->next); /* each is encoded */
    const df_request q = { .task = info->max_tokens  ? DF_TASK_TXT2IMG
                                   : info->n_classes ? DF_TASK_CLASS
                                                     : DF_TASK_UNCOND,
                           .prompt = info->max_tokens ? prompt : "",
                           .seed = s->next,
                           .width = s->m->width,
                           .height = s->m->height,
                           .steps = steps,
                           .guidance = s->m->guidance,
                           .scheduler = *df_model_scheduler(s->m->model) };
    return df_renderer_add(s->renderer, s->next++, &q, err);
}

/* n pictures, from the first request to the last picture. */
static df_code take(shoot *s, int n, int steps, double *seconds, df_err *err) {
    int64_t start = df_clock_ns();
    df_code rc = DF_OK;
    int n_added = 0;
    s->n_done = 0;
    s->n = n;
    while (!rc && s->n_done < n) {
        while (!rc && n_added < n && df_renderer_room(s->renderer) > 0) {
            rc = add(s, steps, err);
            n_added++;
        }
        if (!rc) rc = df_renderer_step(s->renderer, WAIT_US, err);
        if (!rc && s->failure.code) rc = df_err_set(err, s->failure.code, "%s", s->failure.text);
        if (!rc && *s->cfg->stop) rc = df_err_set(err, DF_ECANCELLED, "interrupted");
    }
    *seconds = (double)(df_clock_ns() - start) * 1e-9;
    return rc;
}

static df_code open_renderer(shoot *s, df_pipeline *p, int micro_batch, df_err *err) {
    const df_renderer_cfg cfg = { .micro_batch = micro_batch, .ctx = s, .on_image = on_image, .on_failed = on_failed };
    return df_renderer_open(&s->renderer, p, s->m->model, &cfg, err);
}

df_code df_time_pictures(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err) {
    int micro_batch = (int)item->rows;
    shoot shots = { .m = &s->model[item->model], .cfg = cfg };
    const df_pipeline_cfg how = { .backend = cfg->backend,
                                  .backend_cfg = cfg->backend_cfg,
                                  .max_rows = 2 * micro_batch,
                                  .max_pictures = micro_batch,
                                  .n_slots = df_worker_slots(1, 1) };
    df_comm *comm = NULL;
    df_pipeline *pipeline = NULL;
    double seconds = 0;
    cfg->tell(cfg->tell_ctx, "loading");
    df_code rc = df_comm_self_open(&comm, err);
    if (!rc) rc = df_pipeline_open(&pipeline, comm, shots.m->model, &how, err);
    if (!rc) rc = open_renderer(&shots, pipeline, micro_batch, err);
    if (!rc) rc = take(&shots, micro_batch, shots.m->steps < WARM_STEPS ? shots.m->steps : WARM_STEPS, &seconds, err);
    if (!rc) rc = take(&shots, cfg->pictures, shots.m->steps, &seconds, err);
    if (!rc) item->seconds = seconds / cfg->pictures;
    df_renderer_close(&shots.renderer);
    df_pipeline_close(&pipeline);
    if (comm) comm->ops->close(&comm);
    return rc;
}

df_code df_time_item(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err) {
    static df_code (*const of_part[DF_GPU_PARTS])(const df_suite *, df_gpu_item *, const df_timing_cfg *, df_err *) = {
        [DF_GPU_PICTURES] = df_time_pictures, [DF_GPU_STEP] = df_time_step, [DF_GPU_OPS] = df_time_op
    };
    return of_part[item->part](s, item, cfg, err);
}

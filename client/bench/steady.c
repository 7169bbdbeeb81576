#include "client/bench/steady.h"

#include <stdlib.h>

#include "base/clock.h"
#include "worker/defaults.h"

enum { STEPS = 500, WAIT_US = 20000 };

struct df_steady {
    const df_model *model;
    df_steady_cfg cfg;
    df_pipeline *pipeline;
    df_renderer *renderer; /* rank 0's, from its first run on */
    bool resting;
    uint64_t n_rows;
    int64_t n_steps; /* done, of all rows */
    df_err failure; /* of a row: nothing is timed then */
};

df_code df_steady_open(df_steady **out, df_comm *comm, const df_model *model, const df_steady_cfg *cfg, df_err *err) {
    const df_pipeline_cfg pc = { .backend = cfg->backend,
                                 .backend_cfg = cfg->backend_cfg,
                                 .max_rows = 2 * cfg->micro_batch,
                                 .max_pictures = cfg->micro_batch,
                                 .n_slots = cfg->n_slots,
                                 .n_halves = cfg->n_halves,
                                 .costs = cfg->costs,
                                 .recut_after = cfg->costs.mode >= DF_COSTS_MEASURED ? DF_WORKER_RECUT_AFTER : 0,
                                 .trace = cfg->trace };
    df_steady *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "bench");
    s->model = model;
    s->cfg = *cfg;
    df_code rc = df_pipeline_open(&s->pipeline, comm, model, &pc, err);
    if (rc)
        df_steady_close(&s);
    else
        *out = s;
    return rc;
}

void df_steady_close(df_steady **steady) {
    df_steady *s = *steady;
    if (!s) return;
    df_renderer_close(&s->renderer);
    df_pipeline_close(&s->pipeline);
    free(s);
    *steady = NULL;
}

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    (void)ctx, (void)id, (void)picture; /* another row takes its place */
}

static void on_step(void *ctx, uint64_t id, int step, int n_steps) {
    (void)id, (void)step, (void)n_steps;
    ((df_steady *)ctx)->n_steps++;
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    (void)id;
    ((df_steady *)ctx)->failure = *why;
}

static df_code open_renderer(df_steady *s, df_err *err) {
    const df_renderer_cfg cfg = {
        .micro_batch = s->cfg.micro_batch, .ctx = s, .on_image = on_image, .on_step = on_step, .on_failed = on_failed
    };
    return s->renderer ? DF_OK : df_renderer_open(&s->renderer, s->pipeline, s->model, &cfg, err);
}

static df_code add_rows(df_steady *s, df_err *err) {
    df_request q = { .prompt = "", .width = s->cfg.width, .height = s->cfg.height, .steps = STEPS, .guidance = 7.5 };
    df_code rc = df_scheduler_named(&q.scheduler, "ddim", df_model_scheduler_path(s->model), err);
    while (!rc && df_renderer_room(s->renderer) > 0) {
        q.seed = s->n_rows;
        rc = df_renderer_add(s->renderer, s->n_rows++, &q, err);
    }
    return rc;
}

/* Goes on until `until` steps are done in all; says when that was. */
static df_code advance(df_steady *s, int64_t until, int64_t *at_ns, df_err *err) {
    df_code rc = DF_OK;
    while (!rc && s->n_steps < until) {
        rc = add_rows(s, err);
        if (!rc) rc = df_renderer_step(s->renderer, WAIT_US, err);
        if (!rc && s->failure.code) rc = df_err_set(err, s->failure.code, "%s", s->failure.text);
    }
    *at_ns = df_clock_ns();
    return rc;
}

df_code df_steady_run(df_steady *s, int64_t warm, int64_t n, double *rate, df_err *err) {
    int64_t start_ns, end_ns, from;
    df_code rc = s->resting ? df_pipeline_resume(s->pipeline, err) : DF_OK;
    s->resting = false;
    if (!rc) rc = open_renderer(s, err);
    if (!rc) rc = advance(s, s->n_steps + warm, &start_ns, err);
    from = s->n_steps;
    if (!rc) rc = advance(s, from + n, &end_ns, err);
    if (rc) return rc;
    *rate = (double)(s->n_steps - from) / ((double)(end_ns - start_ns) * 1e-9);
    s->resting = true;
    return df_pipeline_rest(s->pipeline, err);
}

df_code df_steady_serve(df_steady *s, df_err *err) {
    df_code rc = s->resting ? df_pipeline_resume(s->pipeline, err) : DF_OK;
    s->resting = true;
    return rc ? rc : df_pipeline_serve(s->pipeline, err);
}

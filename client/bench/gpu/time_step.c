#include <math.h>

#include "base/clock.h"
#include "client/bench/gpu/timing.h"
#include "engine/exec/stage.h"
#include "engine/exec/stage_fill.h"

#define LONG_SECONDS 10.0 /* no further run after so long */
enum { RUNS = 10 };

/* With the inputs filled in anew, as a sampler does. */
static df_code run_once(df_stage *stage, const df_graph *g, const df_suite *s, int64_t rows, double *seconds,
                        df_err *err) {
    df_stage_fill_inputs(stage, g, s->dtype, rows);
    int64_t start = df_clock_ns();
    df_code rc = df_stage_run(stage, 0, 0, rows, err);
    *seconds = (double)(df_clock_ns() - start) * 1e-9;
    return rc;
}

static df_code time_runs(df_stage *stage, const df_graph *g, const df_suite *s, df_gpu_item *item,
                         const df_timing_cfg *cfg, df_err *err) {
    double seconds = 0, least = INFINITY, all = 0;
    df_code rc = run_once(stage, g, s, item->rows, &seconds, err); /* the first prepares what others find prepared */
    for (int i = 0; i < RUNS && !rc && all < LONG_SECONDS; i++) {
        if (*cfg->stop) return df_err_set(err, DF_ECANCELLED, "interrupted");
        rc = run_once(stage, g, s, item->rows, &seconds, err);
        least = fmin(least, seconds);
        all += seconds;
    }
    if (!rc) item->seconds = least;
    return rc;
}

df_code df_time_step(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err) {
    const df_gpu_model *m = &s->model[item->model];
    const df_graph *g = m->graph[DF_DENOISER];
    df_cut *cut = NULL;
    df_stage *stage = NULL;
    cfg->tell(cfg->tell_ctx, "loading");
    df_code rc = df_cut_whole(&cut, g, err);
    const df_stage_cfg how = { .graph = g,
                               .cut = cut,
                               .weights = df_model_weights(m->model, DF_DENOISER),
                               .backend = cfg->backend,
                               .backend_cfg = cfg->backend_cfg };
    if (!rc) rc = df_stage_open(&stage, &how, err);
    if (!rc) rc = df_stage_reserve(stage, item->rows, 1, err);
    if (!rc) rc = time_runs(stage, g, s, item, cfg, err);
    df_stage_close(&stage);
    df_cut_free(&cut);
    return rc;
}

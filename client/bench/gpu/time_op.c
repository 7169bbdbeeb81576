#include <math.h>

#include "client/bench/gpu/operands.h"
#include "client/bench/gpu/timing.h"
#include "engine/graph/sample.h"

#define BLOCK_SECONDS 0.02 /* runs that are timed together take about so long: starting and waiting do not count */
enum { BLOCKS = 5, MOST_RUNS = 2000 };

static df_code time_runs(df_operands *x, const df_timing_cfg *cfg, double *least, df_err *err) {
    double seconds = 0;
    df_code rc = df_operands_run(x, 1, &seconds, err); /* the first touches what others find touched */
    if (!rc) rc = df_operands_run(x, 1, &seconds, err);
    int runs = seconds > 0 ? (int)fmin(fmax(BLOCK_SECONDS / seconds, 1), MOST_RUNS) : MOST_RUNS;
    *least = INFINITY;
    for (int b = 0; b < BLOCKS && !rc; b++) {
        if (*cfg->stop) return df_err_set(err, DF_ECANCELLED, "interrupted");
        rc = df_operands_run(x, runs, &seconds, err);
        *least = fmin(*least, seconds / runs);
    }
    return rc;
}

df_code df_time_op(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err) {
    df_graph *g = NULL;
    df_operands *x = NULL;
    void *ctx = NULL;
    double least;
    df_code rc = df_graph_sample(&g, s->model[item->model].graph[item->of], &item->node, 1, err);
    if (!rc) rc = cfg->backend->open(&ctx, &cfg->backend_cfg, err);
    if (!rc) rc = df_operands_open(&x, cfg->backend, ctx, g, item->rows, s->dtype, err);
    if (!rc) rc = time_runs(x, cfg, &least, err);
    if (!rc) item->seconds = least;
    df_operands_close(&x);
    if (ctx) cfg->backend->close(&ctx);
    df_graph_free(&g);
    return rc;
}

#include "cluster/simulate/pipesim.h"

#include <math.h>
#include <stdlib.h>

#include "cluster/simulate/world.h"

enum { MOST_MICRO_BATCH = 4096, MOST_STEPS = 100000 };

static df_code check(const df_pipesim_cfg *c, df_err *err) {
    const struct {
        const char *what;
        int is, most;
    } limits[] = { { "slots", c->n_slots, DF_PIPESIM_MOST_SLOTS },
                   { "pictures a micro-batch", c->micro_batch, MOST_MICRO_BATCH },
                   { "steps", c->steps, MOST_STEPS },
                   { "rows a step", c->rows_per_step, 2 },
                   { "pictures", c->n_rows, DF_PIPESIM_MOST_ROWS } };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].is < 1 || limits[i].is > limits[i].most)
            return df_err_set(err, DF_EINVAL, "%d %s: 1 to %d are possible", limits[i].is, limits[i].what,
                              limits[i].most);
    if (!(c->cores >= 0) || !isfinite(c->cores) || !(c->eager_bytes >= 0))
        return df_err_set(err, DF_EINVAL, "%g cores, messages of %g bytes at once: both must be 0 or more", c->cores,
                          c->eager_bytes);
    return DF_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double steady_rate(const df_world *w, const df_timeline *l) {
    int64_t start_ns, end_ns, n = 0;
    if (!df_timeline_steady(l, &start_ns, &end_ns)) return 0;
    for (int64_t i = 0; i < w->n_done; i++)
        if (w->done[i].at * 1e9 >= (double)start_ns && w->done[i].at * 1e9 < (double)end_ns) n += w->done[i].n;
    return (double)n / ((double)(end_ns - start_ns) * 1e-9);
}

static df_code report(df_pipesim_report *out, df_world *w, df_err *err) {
    int n = w->n_left;
    df_pipesim_report r = { .seconds = w->now, .n_passes = w->n_passes, .n_messages = w->n_messages };
    df_code rc = df_spans_to_timeline(w, &r.line, err);
    if (rc) return rc;
    qsort(w->latencies, (size_t)n, sizeof *w->latencies, by_value);
    r.latency_median = (w->latencies[n / 2] + w->latencies[(n - 1) / 2]) / 2;
    r.latency_most = w->latencies[n - 1];
    r.rows_per_second = w->now > 0 ? n / w->now : 0;
    r.steps_per_second = steady_rate(w, r.line);
    *out = r;
    return DF_OK;
}

df_code df_pipesim_run(df_pipesim_report *out, const df_pipesim_cfg *cfg, df_err *err) {
    df_world w;
    df_code rc = check(cfg, err);
    if (!rc) rc = df_pipesim_costs_check(cfg->costs, err);
    if (rc) return rc;
    rc = df_world_open(&w, cfg, err);
    if (!rc) rc = df_world_run(&w, err);
    if (!rc) rc = report(out, &w, err);
    df_world_close(&w);
    return rc;
}

void df_pipesim_report_free(df_pipesim_report *r) {
    df_timeline_free(&r->line);
}

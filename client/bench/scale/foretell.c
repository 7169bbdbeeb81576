#include "client/bench/scale/foretell.h"

#include "client/plan_options.h"
#include "cluster/simulate/pipesim.h"

enum { MOST_PICTURES = 1000 }; /* of a pipeline: then its filling and draining no longer show */

static int pictures_of(const df_foretell *f, int workers, int depth) {
    int64_t n = f->weak ? f->pictures * depth : f->pictures / workers;
    return n < 1 ? 1 : n > MOST_PICTURES ? MOST_PICTURES : (int)n;
}

static double cores_of(const df_foretell *f, int workers, int depth) {
    double each = f->cores / workers;
    return !f->cores || each >= depth ? 0 : each;
}

static df_code simulate(const df_foretell *f, int workers, int depth, const df_pipesim_costs *costs,
                        const df_plan_terms *t, double *pace, df_err *err) {
    df_pipesim_report report;
    const df_pipesim_cfg cfg = { .costs = costs,
                                 .cores = cores_of(f, workers, depth),
                                 .eager_bytes = DF_PIPESIM_EAGER_BYTES,
                                 .micro_batch = t->max_rows / t->rows_per_step,
                                 .n_slots = t->n_slots,
                                 .steps = t->steps,
                                 .rows_per_step = t->rows_per_step,
                                 .n_rows = pictures_of(f, workers, depth) };
    df_code rc = df_pipesim_run(&report, &cfg, err);
    if (rc) return rc;
    *pace = report.rows_per_second;
    df_pipesim_report_free(&report);
    return DF_OK;
}

static df_code plan_and_simulate(const df_foretell *f, int workers, int depth, double *pace, df_err *err) {
    const df_plan_options o = { .backend_cfg = { .dtype = f->dtype, .threads = 1 },
                                .steps = f->steps,
                                .micro_batch = f->micro_batch,
                                .unguided = f->unguided };
    df_plan_setup setup = { 0 };
    df_pipesim_costs costs = { 0 };
    df_graph_size size = { 0 };
    df_model_plan *plan = NULL;
    int width = f->width, height = f->height;
    df_code rc = df_plan_size(&size, f->model, "simulated", &width, &height, err);
    if (!rc) rc = df_plan_setup_open(&setup, &o, f->model, depth, 1, err);
    if (!rc) rc = df_model_plan_new(&plan, f->model, &size, &setup.terms, DF_COMPONENT_COUNT, err);
    if (!rc) rc = df_pipesim_costs_of_plan(&costs, plan, 1, f->dtype, err);
    if (!rc) rc = simulate(f, workers, depth, &costs, &setup.terms, pace, err);
    df_pipesim_costs_free(&costs);
    df_model_plan_free(&plan);
    df_plan_setup_close(&setup);
    return rc;
}

/* Pictures a second of one pipeline among so many; 0: not known. */
static double pace_of(df_foretell *f, int workers, int depth) {
    for (int i = 0; i < f->n_kept; i++)
        if (f->kept[i].workers == workers && f->kept[i].depth == depth) return f->kept[i].pace;
    double pace = 0;
    if (plan_and_simulate(f, workers, depth, &pace, NULL)) pace = 0;
    if (f->n_kept < DF_FORETELL_KEPT) f->kept[f->n_kept++] = (struct df_foretold) { workers, depth, pace };
    return pace;
}

double df_foretell_pace(void *ctx, int workers, int depth, int base) {
    double from = pace_of(ctx, workers, base);
    return from > 0 ? pace_of(ctx, workers, depth) / from : 0;
}

#include "client/simulate/pipeline.h"

#include <stdio.h>

#include "client/exit_code.h"
#include "client/simulate/costs_file.h"
#include "client/simulate/pipeline_options.h"
#include "client/simulate/tell.h"
#include "engine/models/model.h"

/* What is simulated, and what it points to. */
typedef struct scene {
    df_plan_setup setup;
    df_pipesim_costs costs;
    df_pipesim_cfg cfg;
} scene;

static df_code plan(scene *s, const df_model *model, const df_simulate_options *o, df_err *err) {
    df_graph_size size = { 0 };
    df_model_plan *p = NULL;
    df_cost_book costs = { 0 };
    int width = o->width, height = o->height, n_ranks = o->pipeline ? o->pipeline : 2;
    df_code rc = df_plan_size(&size, model, o->model, &width, &height, err);
    if (!rc) df_plan_costs_learn(&costs, &o->plan, model, &size, n_ranks);
    if (!rc) rc = df_plan_setup_open(&s->setup, &o->plan, model, n_ranks, df_plan_halves(&o->plan), err);
    s->setup.terms.costs = &costs;
    if (!rc) rc = df_model_plan_new(&p, model, &size, &s->setup.terms, DF_COMPONENT_COUNT, err);
    if (!rc) rc = df_pipesim_costs_of_plan(&s->costs, p, s->setup.n_halves, o->plan.backend_cfg.dtype, err);
    s->costs.latent_h = size.latent_h;
    s->costs.latent_w = size.latent_w;
    df_model_plan_free(&p);
    s->setup.terms.costs = NULL;
    df_cost_book_free(&costs);
    return rc;
}

static df_code open_model(scene *s, const df_simulate_options *o, df_err *err) {
    const df_model_options how = { .config_dir = o->config_dir, .tokenizer_optional = true }; /* no text is read */
    df_model *model = NULL;
    df_code rc = df_model_open_with(&model, o->model, &how, err);
    if (!rc) rc = plan(s, model, o, err);
    df_model_close(&model);
    return rc;
}

static df_code open_costs(scene *s, const df_simulate_options *o, df_err *err) {
    df_code rc = df_costs_file_read(&s->costs, o->costs, err);
    if (!rc && o->pipeline && o->pipeline != s->costs.n_ranks)
        rc =
            df_err_set(err, DF_EINVAL, "--pipeline %d, but %s is of %d ranks", o->pipeline, o->costs, s->costs.n_ranks);
    if (!rc && s->costs.n_ranks > DF_PLAN_MOST_RANKS)
        rc = df_err_set(err, DF_EINVAL, "%s: %d ranks, up to %d are possible", o->costs, s->costs.n_ranks,
                        DF_PLAN_MOST_RANKS);
    return rc ? rc
              : df_plan_setup_open(&s->setup, &o->plan, NULL, s->costs.n_ranks,
                                   s->costs.n_halves > 1 ? s->costs.n_halves : 1, err);
}

static df_code open_scene(scene *s, const df_simulate_options *o, df_err *err) {
    df_code rc = o->costs ? open_costs(s, o, err) : open_model(s, o, err);
    if (rc) return rc;
    const df_plan_terms *t = &s->setup.terms;
    int micro_batch = s->setup.micro_batch;
    s->cfg = (df_pipesim_cfg) { .costs = &s->costs,
                                .hops = t->hops,
                                .speed = t->speed,
                                .cores = o->cores / o->replicas,
                                .eager_bytes = (double)o->eager_bytes,
                                .micro_batch = micro_batch,
                                .n_slots = t->n_slots,
                                .steps = t->steps,
                                .rows_per_step = t->rows_per_step,
                                .n_rows = o->rows ? o->rows : 3 * t->n_slots * micro_batch,
                                .messages = o->trace != NULL };
    return DF_OK;
}

static df_code simulate(const scene *s, const df_simulate_options *o, df_err *err) {
    df_pipesim_report report;
    df_code rc = o->save_costs ? df_costs_file_write(&s->costs, o->save_costs, err) : DF_OK;
    if (!rc) rc = df_pipesim_run(&report, &s->cfg, err);
    if (rc) return rc;
    const df_simulated seen = { .cfg = &s->cfg, .report = &report, .replicas = o->replicas };
    if (o->trace) rc = df_timeline_write(report.line, o->trace, err);
    if (!rc && o->output == DF_OUTPUT_TEXT) df_simulated_tell(&seen);
    if (!rc && o->output == DF_OUTPUT_JSON) rc = df_simulated_tell_json(&seen, err);
    df_pipesim_report_free(&report);
    return rc;
}

int df_simulate_pipeline(int argc, char **argv) {
    df_simulate_options o;
    scene s = { 0 };
    df_err err = { 0 };
    df_simulate_options_parse(&o, argc, argv);
    df_code rc = open_scene(&s, &o, &err);
    if (!rc) rc = simulate(&s, &o, &err);
    df_pipesim_costs_free(&s.costs);
    df_plan_setup_close(&s.setup);
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: simulate pipeline: %s\n", err.text);
    return df_exit_of_run(rc);
}

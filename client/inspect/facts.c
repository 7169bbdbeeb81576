#include "client/inspect/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/backend/backend.h"
#include "engine/graph/memory_plan.h"
#include "worker/defaults.h"

enum { SEARCHED_RANKS = 64 }; /* for the smallest number that fits */

const df_inspect_dtype df_inspect_dtypes[DF_INSPECT_DTYPES] = { { DF_F32, "f32" }, { DF_BF16, "bf16" } };

/* Exact where the file holds the name the graph asks for; else by the file's mean size of an element (older names). */
static int64_t stored_bytes(const df_weights *w, const df_weight *wanted) {
    const df_tensor_view *t = df_weights_find(w, wanted->name);
    if (t) return t->n_elements * (int64_t)df_dtype_bytes(t->dtype);
    int64_t all = df_weights_parameters(w);
    return all ? df_shape_elements(wanted->shape) * df_weights_bytes(w) / all : 0;
}

static void count_weights(df_component_facts *c, const df_weights *w) {
    for (int i = 0; i < c->graph->n_weights; i++) {
        if (c->graph->weights[i].values) continue; /* computed, in no file */
        c->parameters += df_shape_elements(c->graph->weights[i].shape);
        c->stored_bytes += stored_bytes(w, &c->graph->weights[i]);
    }
}

/* As the cpu backend of this machine packs them. */
static int64_t packed_bytes(const df_component_facts *c, df_dtype dtype, size_t *of_node) {
    int64_t bytes = 0;
    df_backend_weight_bytes(&df_backend_cpu, &(df_backend_cfg) { .dtype = dtype, .threads = 1 }, c->graph, of_node);
    for (int i = 0; i < c->graph->n_nodes; i++) bytes += (int64_t)of_node[i];
    return bytes;
}

/* Of the whole graph on one rank. */
static df_code measure_memory(df_component_facts *c, df_err *err) {
    df_cut *whole = NULL;
    int *stage_of = calloc((size_t)c->graph->n_nodes, sizeof *stage_of);
    size_t *of_node = calloc((size_t)c->graph->n_nodes, sizeof *of_node);
    df_code rc =
        stage_of && of_node ? df_cut_new(&whole, c->graph, stage_of, 1, err) : df_err_set(err, DF_ENOMEM, "a cut");
    for (int i = 0; i < DF_INSPECT_DTYPES && !rc; i++) {
        df_memory_plan *plan = NULL;
        rc = df_memory_plan_new(&plan, c->graph, whole, 0, df_inspect_dtypes[i].type, err);
        if (!rc)
            c->memory[i] = (df_memory_facts) {
                .weight_bytes = packed_bytes(c, df_inspect_dtypes[i].type, of_node),
                .activation_bytes = (int64_t)(plan->slot_bytes + plan->scratch_bytes),
            };
        df_memory_plan_free(&plan);
    }
    df_cut_free(&whole);
    free(of_node);
    free(stage_of);
    return rc;
}

static df_code gather_component(df_facts *f, df_component id, df_err *err) {
    df_component_facts *c = &f->component[id];
    df_cost cost = { 0 };
    bool text = id < DF_DENOISER;
    df_code rc = df_model_graph(f->model, id, text ? 0 : f->latent_h, text ? 0 : f->latent_w, &c->graph, err);
    if (!rc) rc = df_cost_model(&cost, c->graph, err);
    if (rc) return rc;
    count_weights(c, df_model_weights(f->model, id));
    rc = measure_memory(c, err);
    for (int i = 0; i < cost.n_nodes; i++) c->flops += cost.node_flops[i];
    df_cost_free(&cost);
    f->parameters += c->parameters;
    f->stored_bytes += c->stored_bytes;
    for (int i = 0; i < DF_INSPECT_DTYPES; i++) f->weight_bytes[i] += c->memory[i].weight_bytes;
    return rc;
}

static df_code set_size(df_facts *f, const df_inspect_options *o, df_err *err) {
    df_graph_size size = { 0 };
    f->width = o->width;
    f->height = o->height;
    df_code rc = df_plan_size(&size, f->model, o->model, &f->width, &f->height, err);
    f->latent_w = size.latent_w;
    f->latent_h = size.latent_h;
    return rc;
}

/* The fewest ranks beyond those asked for that hold the model; 0: even the most do not. */
static int smallest_that_fits(const df_facts *f, const df_inspect_options *o, const df_graph_size *size) {
    for (int n = f->n_halves * (f->n_ranks + 1); n <= SEARCHED_RANKS; n += f->n_halves) {
        df_plan_setup setup;
        df_model_plan *p = NULL;
        df_err err;
        df_code rc = df_plan_setup_open(&setup, &o->plan, f->model, n, f->n_halves, &err);
        setup.terms.costs = &f->costs;
        if (!rc) rc = df_model_plan_new(&p, f->model, size, &setup.terms, DF_COMPONENT_COUNT, &err);
        df_model_plan_free(&p);
        df_plan_setup_close(&setup);
        if (!rc) return n;
        if (rc != DF_ELIMIT) break;
    }
    return 0;
}

static df_code make_plan(df_facts *f, const df_inspect_options *o, const df_graph_size *size, df_err *err) {
    df_code rc = df_plan_setup_open(&f->setup, &o->plan, f->model, o->pipeline, f->n_halves, err);
    f->setup.terms.costs = &f->costs;
    if (!rc) rc = df_model_plan_new(&f->plan, f->model, size, &f->setup.terms, DF_COMPONENT_COUNT, err);
    if (rc == DF_ELIMIT) {
        df_err why = *err;
        int fits = smallest_that_fits(f, o, size);
        if (fits) return df_err_set(err, rc, "%s; --pipeline %d is the smallest that fits", why.text, fits);
        return df_err_set(err, rc,
                          "%s; nor does it fit up to %d ranks (fewer --slots, a smaller --micro-batch need less)",
                          why.text, SEARCHED_RANKS);
    }
    for (int i = 0; i < DF_COMPONENT_COUNT && !rc; i++) {
        const df_component_plan *laid = &f->plan->component[i];
        if (!laid->graph) continue;
        f->component[i].laid = laid;
        f->component[i].plan = laid->plan;
        f->component[i].cut = laid->cut;
        f->component[i].dtype = o->plan.backend_cfg.dtype;
    }
    return rc;
}

/* Every depth on the ranks there are. */
static df_code weigh(df_facts *f, const df_inspect_options *o, const df_graph_size *size, df_err *err) {
    int n_ranks = o->ranks ? o->ranks : o->pipeline;
    df_plan_setup setup;
    df_code rc = df_plan_setup_open(&setup, &o->plan, f->model, n_ranks, 1, err);
    setup.terms.costs = &f->costs;
    const df_strategy_cfg cfg = { .terms = setup.terms, .micro_batch = setup.micro_batch, .slots = df_worker_slots };
    if (!rc) rc = df_strategies_weigh(&f->strategies, f->model, size, &cfg, err);
    df_plan_setup_close(&setup);
    return rc;
}

static df_code plan_all(df_facts *f, const df_inspect_options *o, df_err *err) {
    const df_graph_size size = { .latent_h = f->latent_h, .latent_w = f->latent_w };
    int n_ranks = o->pipeline ? o->pipeline : o->ranks;
    if (n_ranks) df_plan_costs_learn(&f->costs, &o->plan, f->model, &size, n_ranks);
    df_code rc = f->n_ranks ? make_plan(f, o, &size, err) : DF_OK;
    return rc || !(o->ranks || o->pipeline > 1) ? rc : weigh(f, o, &size, err);
}

df_code df_facts_gather(df_facts *f, const df_inspect_options *o, df_err *err) {
    *f = (df_facts) { .n_halves = df_plan_halves(&o->plan), .aim = o->aim };
    f->n_ranks = (o->pipeline + f->n_halves - 1) / f->n_halves;
    const df_model_options how = { .config_dir = o->config_dir, .no_t5 = o->no_t5 };
    df_code rc = df_model_open_with(&f->model, o->model, &how, err);
    if (!rc) rc = set_size(f, o, err);
    for (int i = 0; i < DF_COMPONENT_COUNT && !rc; i++)
        if (df_model_has(f->model, (df_component)i)) rc = gather_component(f, (df_component)i, err);
    if (!rc) rc = plan_all(f, o, err);
    if (!rc && o->hash) rc = df_model_sha256(f->model, f->sha256, err);
    return rc;
}

void df_facts_free(df_facts *f) {
    for (int i = 0; i < DF_COMPONENT_COUNT; i++) df_graph_free(&f->component[i].graph);
    df_model_plan_free(&f->plan);
    df_plan_setup_close(&f->setup);
    df_cost_book_free(&f->costs);
    df_model_close(&f->model);
}

int df_facts_stage_nodes(const df_component_facts *c, int stage) {
    int n = 0;
    for (int i = 0; i < c->graph->n_nodes; i++) n += c->plan->stage_of[i] == stage;
    return n;
}

int64_t df_facts_value_bytes(const df_component_facts *c, df_value_id v) {
    const df_value *value = &c->graph->values[v];
    return df_shape_elements(value->shape) * (int64_t)df_dtype_bytes(df_value_held_as(value, c->dtype));
}

double df_facts_spread(const df_plan *p) {
    double low = INFINITY, high = 0;
    for (int i = 0; i < p->n_stages; i++) {
        low = fmin(low, p->stage[i].seconds);
        high = fmax(high, p->stage[i].seconds);
    }
    return high > 0 ? high / low - 1 : 0;
}

void df_facts_choice(const df_facts *f, char *choice, char *warning, size_t bytes_each) {
    const df_strategy *best = df_strategy_best(&f->strategies, f->aim);
    choice[0] = warning[0] = '\0';
    if (!best) return;
    df_strategy_explain(&f->strategies, best, f->aim, choice, bytes_each);
    df_strategy_slower(&f->strategies, f->n_halves > 1 ? DF_STRATEGY_HALVES : DF_STRATEGY_PIPELINES,
                       f->n_halves * f->n_ranks, f->aim, warning, bytes_each);
}

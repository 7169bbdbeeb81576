#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/inspect/facts.h"

static json_t *json_of_stage(const df_component_facts *c, int i) {
    const df_plan_stage *s = &c->plan->stage[i];
    return json_pack("{s:i, s:i, s:I, s:I, s:f, s:I}", "rank", i, "nodes", df_facts_stage_nodes(c, i), "parameters",
                     (json_int_t)s->parameters, "weight_bytes", (json_int_t)s->weight_bytes, "share", s->share,
                     "bytes_sent_per_row", (json_int_t)s->bytes_out);
}

static json_t *json_of_segment(const df_component_facts *c, const df_segment *s) {
    return json_pack("{s:i, s:s, s:s}", "rank", s->stage, "first", c->graph->nodes[s->first_node].name, "last",
                     c->graph->nodes[s->end_node - 1].name);
}

static json_t *json_of_edge(const df_component_facts *c, const df_edge *e) {
    return json_pack("{s:i, s:i, s:s, s:I}", "from", e->from_stage, "to", e->to_stage, "value",
                     c->graph->values[e->value].name, "bytes_per_row", (json_int_t)df_facts_value_bytes(c, e->value));
}

static json_t *json_of_plan(const df_component_facts *c) {
    const df_plan *p = c->plan;
    double spread = df_facts_spread(p);
    json_t *stages = json_array(), *segments = json_array(), *values = json_array();
    for (int i = 0; i < p->n_stages; i++) json_array_append_new(stages, json_of_stage(c, i));
    for (int i = 0; i < c->cut->n_segments; i++)
        json_array_append_new(segments, json_of_segment(c, &c->cut->segments[i]));
    for (int i = 0; i < c->cut->n_edges; i++) json_array_append_new(values, json_of_edge(c, &c->cut->edges[i]));
    return json_pack("{s:s, s:i, s:I, s:I, s:f, s:o, s:f, s:o, s:o, s:o}", "kind",
                     p->kind == DF_PLAN_FOLDED ? "folded" : "linear", "ranks", p->n_stages, "bytes_crossing_per_row",
                     (json_int_t)p->bytes_crossing, "bytes_crossing_naive_per_row", (json_int_t)p->bytes_crossing_naive,
                     "imbalance", p->imbalance, "spread", isfinite(spread) ? json_real(spread) : json_null(),
                     "efficiency", p->efficiency, "stages", stages, "segments", segments, "values", values);
}

static json_t *json_of_memory(const df_memory_facts *memory) {
    json_t *o = json_object();
    for (int i = 0; i < DF_INSPECT_DTYPES; i++)
        json_object_set_new(o, df_inspect_dtypes[i].name,
                            json_pack("{s:I, s:I}", "weight_bytes", (json_int_t)memory[i].weight_bytes,
                                      "activation_bytes_per_row", (json_int_t)memory[i].activation_bytes));
    return o;
}

static json_t *json_of_component(const df_component_facts *c) {
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:f, s:i, s:o}", "name", c->graph->name, "parameters",
                          (json_int_t)c->parameters, "stored_bytes", (json_int_t)c->stored_bytes, "f32_bytes",
                          (json_int_t)(4 * c->parameters), "flops_per_row", c->flops, "nodes", c->graph->n_nodes,
                          "memory", json_of_memory(c->memory));
    if (c->plan) json_object_set_new(o, "plan", json_of_plan(c));
    return o;
}

static json_t *json_of_ranks(const df_facts *f) {
    json_t *a = json_array();
    for (int r = 0; r < f->n_halves * f->n_ranks; r++) {
        int stage = r % f->n_ranks; /* each half makes a half of the rows */
        json_array_append_new(a, json_pack("{s:i, s:f, s:f, s:I}", "rank", r, "busy_seconds",
                                           f->plan->busy_seconds[stage] / f->n_halves, "receive_seconds",
                                           f->plan->receive_seconds[stage] / f->n_halves, "memory_bytes",
                                           (json_int_t)f->plan->memory_bytes[stage]));
    }
    return a;
}

static json_t *json_of_strategies(const df_facts *f) {
    json_t *a = json_array();
    for (int i = 0; i < f->strategies.n; i++) {
        const df_strategy *s = &f->strategies.of[i];
        json_t *o =
            json_pack("{s:s, s:i, s:i, s:b}", "kind", s->kind == DF_STRATEGY_HALVES ? "guidance halves" : "pipelines",
                      "depth", s->depth, "replicas", s->replicas, "fits", s->fits);
        if (s->fits) {
            json_object_set_new(o, "pictures_per_second", json_real(s->pictures_per_second));
            json_object_set_new(o, "seconds_per_picture", json_real(s->seconds_per_picture));
            json_object_set_new(o, "memory_bytes", json_integer((json_int_t)s->memory_bytes));
        }
        json_array_append_new(a, o);
    }
    return a;
}

static void add_choice(json_t *o, const df_facts *f) {
    char choice[256], warning[256];
    df_facts_choice(f, choice, warning, sizeof choice);
    json_object_set_new(o, "strategies", json_of_strategies(f));
    if (choice[0]) json_object_set_new(o, "choice", json_string(choice));
    if (warning[0]) json_object_set_new(o, "warning", json_string(warning));
}

static json_t *json_of_facts(const df_facts *f) {
    const df_model_info *info = df_model_info_of(f->model);
    const df_scheduler *s = df_model_scheduler(f->model);
    json_t *components = json_array();
    for (int i = 0; i < DF_COMPONENT_COUNT; i++)
        if (f->component[i].graph) json_array_append_new(components, json_of_component(&f->component[i]));
    json_t *o =
        json_pack("{s:s, s:s, s:[ii], s:[ii], s:i, s:i, s:i, s:i, s:i, s:s, s:i, s:I, s:I, s:I, s:o}", "model",
                  df_model_dir(f->model), "pipeline_class", info->pipeline_class, "default_size", info->default_width,
                  info->default_height, "size", f->width, f->height, "size_multiple", info->size_multiple,
                  "latent_channels", info->latent_channels, "vae_factor", info->vae_factor, "text_tokens",
                  info->max_tokens, "text_width", info->text_width, "scheduler", s->name, "train_timesteps",
                  s->n_train_timesteps, "parameters", (json_int_t)f->parameters, "stored_bytes",
                  (json_int_t)f->stored_bytes, "f32_bytes", (json_int_t)(4 * f->parameters), "components", components);
    bool measured = f->n_ranks ? f->plan->measured : f->strategies.measured;
    if (f->n_ranks || f->strategies.n) json_object_set_new(o, "costs", json_string(measured ? "measured" : "modelled"));
    if (f->n_ranks) json_object_set_new(o, "ranks", json_of_ranks(f));
    if (f->n_ranks) json_object_set_new(o, "halves", json_integer(f->n_halves));
    if (f->strategies.n) add_choice(o, f);
    if (f->sha256[0]) json_object_set_new(o, "sha256", json_string(f->sha256));
    return o;
}

df_code df_report_json(const df_facts *f, df_err *err) {
    json_t *o = json_of_facts(f);
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(o);
    if (!text) return df_err_set(err, DF_ENOMEM, "report");
    puts(text);
    free(text);
    return DF_OK;
}

#include "cluster/strategy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLERANCE 1.02 /* predictions do not tell apart what is nearer */

enum { ALL_DEPTHS = 16 };

static double segment_seconds(const df_component_plan *c, const df_segment *s, int n_rows, const df_plan_terms *terms) {
    double sum = 0;
    for (int i = s->first_node; i < s->end_node; i++) sum += c->cost.node_seconds[i];
    return sum * n_rows / (terms->speed ? terms->speed[s->stage] : 1);
}

static double edge_seconds(const df_component_plan *c, const df_edge *e, int n_rows, const df_plan_terms *terms) {
    const df_value *v = &c->graph->values[e->value];
    double each = (double)df_dtype_bytes(df_value_held_as(v, terms->backend_cfg.dtype));
    if (!terms->hops) return 0;
    return df_hop_seconds(df_hops_between(terms->hops, e->from_stage, e->to_stage),
                          each * (double)df_shape_elements(v->shape) * n_rows);
}

df_code df_pass_seconds(const df_component_plan *c, int n_rows, const df_plan_terms *terms, double *seconds,
                        df_err *err) {
    const df_cut *cut = c->cut;
    double *end = calloc((size_t)cut->n_segments + 1, sizeof *end); /* one more: rank 0 has the outputs */
    if (!end) return df_err_set(err, DF_ENOMEM, "%s: %d segments", c->graph->name, cut->n_segments);
    for (int i = 0, edge = 0; i <= cut->n_segments; i++) {
        double start = 0;
        for (int k = 0; k < i; k++)
            if (i == cut->n_segments || cut->segments[k].stage == cut->segments[i].stage) start = fmax(start, end[k]);
        for (; edge < cut->n_edges && cut->edges[edge].to_segment == i; edge++) {
            const df_edge *e = &cut->edges[edge];
            double sent = e->from_segment < 0 ? 0 : end[e->from_segment];
            start = fmax(start, sent + edge_seconds(c, e, n_rows, terms));
        }
        end[i] = start + (i < cut->n_segments ? segment_seconds(c, &cut->segments[i], n_rows, terms) : 0);
    }
    *seconds = end[cut->n_segments];
    free(end);
    return DF_OK;
}

static int steps_of(const df_plan_terms *t) {
    return t->steps ? t->steps : DF_PLAN_STEPS;
}

static int rows_of(const df_plan_terms *t) {
    return t->rows_per_step ? t->rows_per_step : DF_PLAN_ROWS;
}

/* A picture of `pictures` that go together, with nothing else on the ranks. */
static df_code alone(const df_model_plan *p, const df_plan_terms *t, int pictures, double *seconds, df_err *err) {
    df_code rc = DF_OK;
    *seconds = 0;
    for (int c = 0; c < DF_VAE_ENCODER && !rc; c++) {
        double pass = 0;
        if (!p->component[c].graph) continue;
        rc = df_pass_seconds(&p->component[c], pictures * (c == DF_DENOISER ? rows_of(t) : 1), t, &pass, err);
        *seconds += pass * (c == DF_DENOISER ? steps_of(t) : 1);
    }
    return rc;
}

static int64_t fullest(const df_model_plan *p) {
    int64_t most = 0;
    for (int r = 0; r < p->n_ranks; r++)
        if (p->memory_bytes[r] > most) most = p->memory_bytes[r];
    return most;
}

static df_code weigh_depth(df_strategies *all, df_strategy *s, const df_model *model, const df_graph_size *size,
                           const df_strategy_cfg *cfg, int depth, df_err *err) {
    df_plan_terms terms = cfg->terms;
    df_model_plan *p = NULL;
    double together = 0;
    *s = (df_strategy) { .depth = depth, .replicas = cfg->terms.n_ranks / depth };
    terms.n_ranks = depth;
    terms.n_slots = cfg->slots(depth);
    terms.max_rows = cfg->micro_batch * rows_of(&terms);
    df_code rc = df_model_plan_new(&p, model, size, &terms, DF_COMPONENT_COUNT, err);
    if (rc == DF_ELIMIT) return DF_OK;
    if (!rc) rc = alone(p, &terms, 1, &s->seconds_per_picture, err);
    if (!rc) rc = alone(p, &terms, cfg->micro_batch, &together, err);
    if (!rc) {
        double in_flight = (double)terms.n_slots * cfg->micro_batch / together;
        s->fits = true;
        s->pictures_per_second = s->replicas * fmin(1 / df_model_plan_pace(p), in_flight);
        s->memory_bytes = fullest(p);
        all->measured = p->measured;
    }
    df_model_plan_free(&p);
    return rc;
}

/* Like a replica, but a step takes one row's time and a message each way. */
static df_code weigh_halves(df_strategy *s, const df_model *model, const df_graph_size *size,
                            const df_strategy_cfg *cfg, const df_strategy *replica, df_err *err) {
    df_plan_terms terms = cfg->terms;
    df_model_plan *p = NULL;
    terms.n_ranks = 1;
    terms.device_bytes = 0; /* replicas fit, or we are not asked */
    df_code rc = df_model_plan_new(&p, model, size, &terms, DF_COMPONENT_COUNT, err);
    if (rc) return rc;
    double saved = p->component[DF_DENOISER].plan->stage[0].seconds * steps_of(&terms);
    const df_hop *hop = cfg->terms.hops ? df_hops_between(cfg->terms.hops, 0, 1) : NULL;
    double sent = hop ? 2 * hop->latency_seconds * steps_of(&terms) : 0;
    *s = (df_strategy) { .kind = DF_STRATEGY_HALVES,
                         .depth = 2,
                         .replicas = cfg->terms.n_ranks / 2,
                         .fits = true,
                         .seconds_per_picture = replica->seconds_per_picture - saved + sent,
                         .memory_bytes = replica->memory_bytes };
    s->pictures_per_second = s->replicas / s->seconds_per_picture;
    df_model_plan_free(&p);
    return DF_OK;
}

df_code df_strategies_weigh(df_strategies *out, const df_model *model, const df_graph_size *size,
                            const df_strategy_cfg *cfg, df_err *err) {
    int n_ranks = cfg->terms.n_ranks;
    df_code rc = DF_OK;
    *out = (df_strategies) { .n_ranks = n_ranks };
    for (int depth = 1; depth <= n_ranks && !rc && out->n < DF_MAX_STRATEGIES - 1; depth++)
        if (depth <= ALL_DEPTHS || n_ranks % depth == 0)
            rc = weigh_depth(out, &out->of[out->n++], model, size, cfg, depth, err);
    if (!rc && n_ranks > 1 && rows_of(&cfg->terms) == 2 && out->of[0].fits)
        rc = weigh_halves(&out->of[out->n++], model, size, cfg, &out->of[0], err);
    return rc;
}

bool df_strategy_runs(const df_strategy *s) {
    return s->kind == DF_STRATEGY_PIPELINES;
}

static bool is_better(const df_strategy *a, const df_strategy *b, df_strategy_aim aim) {
    if (!b) return true;
    if (aim == DF_FOR_LATENCY && a->seconds_per_picture != b->seconds_per_picture)
        return a->seconds_per_picture < b->seconds_per_picture;
    return a->pictures_per_second > b->pictures_per_second;
}

static const df_strategy *best_but(const df_strategies *s, df_strategy_aim aim, const df_strategy *but) {
    const df_strategy *best = NULL;
    for (int i = 0; i < s->n; i++)
        if (s->of[i].fits && df_strategy_runs(&s->of[i]) && &s->of[i] != but && is_better(&s->of[i], best, aim))
            best = &s->of[i];
    return best;
}

const df_strategy *df_strategy_best(const df_strategies *s, df_strategy_aim aim) {
    return best_but(s, aim, NULL);
}

const df_strategy *df_strategy_of_depth(const df_strategies *s, int depth) {
    for (int i = 0; i < s->n; i++)
        if (s->of[i].kind == DF_STRATEGY_PIPELINES && s->of[i].depth == depth) return &s->of[i];
    return NULL;
}

char *df_strategy_name(const df_strategy *s, char *out, size_t out_bytes) {
    const char *plural = s->replicas == 1 ? "" : "s";
    if (s->kind == DF_STRATEGY_HALVES)
        snprintf(out, out_bytes, "%d pair%s that share guidance", s->replicas, plural);
    else if (s->depth == 1)
        snprintf(out, out_bytes, "%d replica%s", s->replicas, plural);
    else
        snprintf(out, out_bytes, "%d pipeline%s of %d ranks", s->replicas, plural, s->depth);
    return out;
}

static const char *reason(const df_strategies *all, const df_strategy *best) {
    if (best->depth == 1) return "the model fits one rank, and nothing crosses";
    if (!all->of[0].fits) return "the model does not fit one rank";
    return "stages are even and their links keep up";
}

char *df_strategy_explain(const df_strategies *all, const df_strategy *best, df_strategy_aim aim, char *out,
                          size_t out_bytes) {
    char name[64], other[64];
    const df_strategy *second = best_but(all, aim, best);
    int n = snprintf(out, out_bytes, "%s: %.3g pictures/s, %.3g s for one alone; %s",
                     df_strategy_name(best, name, sizeof name), best->pictures_per_second, best->seconds_per_picture,
                     reason(all, best));
    if (second && n > 0 && (size_t)n < out_bytes)
        snprintf(out + n, out_bytes - (size_t)n, " (next: %s, %.3g pictures/s, %.3g s)",
                 df_strategy_name(second, other, sizeof other), second->pictures_per_second,
                 second->seconds_per_picture);
    return out;
}

static double times_better(const df_strategy *a, const df_strategy *b, df_strategy_aim aim) {
    if (aim == DF_FOR_LATENCY) return b->seconds_per_picture / a->seconds_per_picture;
    return a->pictures_per_second / b->pictures_per_second;
}

bool df_strategy_slower(const df_strategies *all, int depth, df_strategy_aim aim, char *out, size_t out_bytes) {
    char name[64], other[64];
    const df_strategy *asked = df_strategy_of_depth(all, depth), *best = df_strategy_best(all, aim);
    if (!asked || !asked->fits || asked == best) return false;
    double times = times_better(best, asked, aim);
    if (times <= TOLERANCE) return false;
    bool alone = aim == DF_FOR_LATENCY;
    snprintf(out, out_bytes, "%s: %.0f %% of the %s of %s (%.3g against %.3g %s, %s)",
             df_strategy_name(asked, name, sizeof name), 100 / times, alone ? "speed" : "pace",
             df_strategy_name(best, other, sizeof other),
             alone ? asked->seconds_per_picture : asked->pictures_per_second,
             alone ? best->seconds_per_picture : best->pictures_per_second,
             alone ? "s for a picture alone" : "pictures/s", all->measured ? "measured" : "modelled");
    return true;
}

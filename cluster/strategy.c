#include "cluster/strategy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/crossing.h"
#include "cluster/halves.h"

#define TOLERANCE 1.02 /* predictions do not tell apart what is nearer */

enum { ALL_DEPTHS = 16 };

static double segment_seconds(const df_component_plan *c, const df_segment *s, int n_rows, const df_plan_terms *terms) {
    double sum = 0;
    for (int i = s->first_node; i < s->end_node; i++) sum += c->cost.node_seconds[i];
    return sum * n_rows / (terms->speed ? terms->speed[s->stage] : 1);
}

static double crossing_seconds(const df_component_plan *c, const df_crossing *x, int n_rows,
                               const df_plan_terms *terms) {
    const df_value *v = &c->graph->values[x->value];
    double each = (double)df_dtype_bytes(df_value_held_as(v, terms->backend_cfg.dtype));
    if (!terms->hops) return 0;
    return df_hop_seconds(df_hops_between(terms->hops, x->from_rank, x->to_rank),
                          each * (double)df_shape_elements(v->shape) * n_rows);
}

/* Of the crossings, the [n] of one half. end [n_segments + 1]: the last is when rank 0 has the outputs. */
static double half_seconds(const df_component_plan *c, const df_crossing *all, int n, int half, int n_rows,
                           const df_plan_terms *terms, double *end) {
    const df_cut *cut = c->cut;
    for (int i = 0; i <= cut->n_segments; i++) {
        double start = 0;
        for (int k = 0; k < i; k++)
            if (i == cut->n_segments || cut->segments[k].stage == cut->segments[i].stage) start = fmax(start, end[k]);
        for (int k = 0; k < n; k++) {
            if (all[k].half != half || all[k].to_segment != i) continue;
            double sent = all[k].from_segment < 0 ? 0 : end[all[k].from_segment];
            start = fmax(start, sent + crossing_seconds(c, &all[k], n_rows, terms));
        }
        end[i] = start + (i < cut->n_segments ? segment_seconds(c, &cut->segments[i], n_rows, terms) : 0);
    }
    return end[cut->n_segments];
}

df_code df_pass_seconds(const df_component_plan *c, int n_rows, int n_halves, const df_plan_terms *terms,
                        double *seconds, df_err *err) {
    int64_t rows[DF_MOST_HALVES];
    df_crossing *crossings = NULL;
    int n = 0;
    df_code rc = df_crossings_list(&crossings, &n, c->graph, c->cut, n_halves, err);
    if (rc) return rc;
    double *end = calloc((size_t)c->cut->n_segments + 1, sizeof *end);
    if (!end) rc = df_err_set(err, DF_ENOMEM, "%s: %d segments", c->graph->name, c->cut->n_segments);
    df_halves_split(rows, n_halves, n_rows);
    *seconds = 0;
    for (int half = 0; half < n_halves && !rc && rows[half]; half++)
        *seconds = fmax(*seconds, half_seconds(c, crossings, n, half, (int)rows[half], terms, end));
    free(end);
    free(crossings);
    return rc;
}

static int steps_of(const df_plan_terms *t) {
    return t->steps ? t->steps : DF_PLAN_STEPS;
}

static int rows_of(const df_plan_terms *t) {
    return t->rows_per_step ? t->rows_per_step : DF_PLAN_ROWS;
}

/* A picture of `pictures` that go together, with nothing else on the ranks. */
static df_code alone(const df_model_plan *p, const df_plan_terms *t, int n_halves, int pictures, double *seconds,
                     df_err *err) {
    df_code rc = DF_OK;
    *seconds = 0;
    for (int c = 0; c < DF_VAE_ENCODER && !rc; c++) {
        double pass = 0;
        if (!p->component[c].graph) continue;
        int rows = pictures * (c == DF_DENOISER ? rows_of(t) : 1);
        rc = df_pass_seconds(&p->component[c], rows, n_halves, t, &pass, err);
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

/* Ranks of a pipeline, in one half or two. */
static df_code weigh(df_strategies *all, df_strategy *s, const df_model *model, const df_graph_size *size,
                     const df_strategy_cfg *cfg, int depth, int n_halves, df_err *err) {
    df_plan_terms terms = cfg->terms;
    df_model_plan *p = NULL;
    double together = 0;
    *s = (df_strategy) { .kind = n_halves > 1 ? DF_STRATEGY_HALVES : DF_STRATEGY_PIPELINES,
                         .depth = depth,
                         .replicas = cfg->terms.n_ranks / depth };
    terms.n_ranks = depth / n_halves;
    terms.n_slots = cfg->slots(depth, n_halves);
    terms.max_rows = (int)df_halves_most(n_halves, cfg->micro_batch * rows_of(&terms));
    df_code rc = df_model_plan_new(&p, model, size, &terms, DF_COMPONENT_COUNT, err);
    if (rc == DF_ELIMIT) return DF_OK;
    if (!rc) rc = alone(p, &terms, n_halves, 1, &s->seconds_per_picture, err);
    if (!rc) rc = alone(p, &terms, n_halves, cfg->micro_batch, &together, err);
    if (!rc) {
        double in_flight = (double)terms.n_slots * cfg->micro_batch / together;
        s->fits = true;
        s->pictures_per_second = s->replicas * fmin(n_halves / df_model_plan_pace(p), in_flight);
        s->memory_bytes = fullest(p);
        all->measured = p->measured;
    }
    df_model_plan_free(&p);
    return rc;
}

static bool is_weighed(int n_ranks, int depth) {
    return depth <= ALL_DEPTHS || n_ranks % depth == 0;
}

df_code df_strategies_weigh(df_strategies *out, const df_model *model, const df_graph_size *size,
                            const df_strategy_cfg *cfg, df_err *err) {
    int n_ranks = cfg->terms.n_ranks;
    df_code rc = DF_OK;
    *out = (df_strategies) { .n_ranks = n_ranks };
    for (int n_halves = 1; n_halves <= rows_of(&cfg->terms); n_halves++)
        for (int depth = n_halves; depth <= n_ranks && !rc && out->n < DF_MAX_STRATEGIES; depth += n_halves)
            if (is_weighed(n_ranks, depth)) rc = weigh(out, &out->of[out->n++], model, size, cfg, depth, n_halves, err);
    return rc;
}

static bool is_choice(const df_strategies *s, int i, const df_strategy *but) {
    return s->of[i].fits && &s->of[i] != but;
}

/* The time of a picture alone that will do: what is nearer to the quickest cannot be told apart. */
static double quick_enough(const df_strategies *s, df_strategy_aim aim, const df_strategy *but) {
    double quickest = INFINITY;
    for (int i = 0; i < s->n; i++)
        if (is_choice(s, i, but)) quickest = fmin(quickest, s->of[i].seconds_per_picture);
    return aim == DF_FOR_LATENCY ? quickest * TOLERANCE : INFINITY;
}

static const df_strategy *best_but(const df_strategies *s, df_strategy_aim aim, const df_strategy *but) {
    const df_strategy *best = NULL;
    double most = quick_enough(s, aim, but);
    for (int i = 0; i < s->n; i++)
        if (is_choice(s, i, but) && s->of[i].seconds_per_picture <= most &&
            (!best || s->of[i].pictures_per_second > best->pictures_per_second))
            best = &s->of[i];
    return best;
}

const df_strategy *df_strategy_best(const df_strategies *s, df_strategy_aim aim) {
    return best_but(s, aim, NULL);
}

const df_strategy *df_strategy_find(const df_strategies *s, df_strategy_kind kind, int depth) {
    for (int i = 0; i < s->n; i++)
        if (s->of[i].kind == kind && s->of[i].depth == depth) return &s->of[i];
    return NULL;
}

bool df_strategy_wants_halves(const df_strategies *s, int depth, df_strategy_aim aim) {
    df_strategies both = { 0 };
    const df_strategy *whole = df_strategy_find(s, DF_STRATEGY_PIPELINES, depth),
                      *halves = df_strategy_find(s, DF_STRATEGY_HALVES, depth);
    if (whole) both.of[both.n++] = *whole;
    if (halves) both.of[both.n++] = *halves;
    const df_strategy *best = df_strategy_best(&both, aim);
    return best && best->kind == DF_STRATEGY_HALVES;
}

char *df_strategy_name(const df_strategy *s, char *out, size_t out_bytes) {
    const char *plural = s->replicas == 1 ? "" : "s";
    if (s->kind == DF_STRATEGY_HALVES && s->depth == 2)
        snprintf(out, out_bytes, "%d pair%s that share%s guidance", s->replicas, plural, s->replicas == 1 ? "s" : "");
    else if (s->kind == DF_STRATEGY_HALVES)
        snprintf(out, out_bytes, "%d pair%s of %d ranks each that share%s guidance", s->replicas, plural, s->depth / 2,
                 s->replicas == 1 ? "s" : "");
    else if (s->depth == 1)
        snprintf(out, out_bytes, "%d replica%s", s->replicas, plural);
    else
        snprintf(out, out_bytes, "%d pipeline%s of %d ranks", s->replicas, plural, s->depth);
    return out;
}

static const char *reason(const df_strategies *all, const df_strategy *best) {
    if (best->depth == 1) return "the model fits one rank, and nothing crosses";
    if (!all->of[0].fits) return "the model does not fit one rank";
    if (best->kind == DF_STRATEGY_HALVES) return "each half computes one of a guided picture's two rows";
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

bool df_strategy_slower(const df_strategies *all, df_strategy_kind kind, int depth, df_strategy_aim aim, char *out,
                        size_t out_bytes) {
    char name[64], other[64];
    const df_strategy *asked = df_strategy_find(all, kind, depth), *best = df_strategy_best(all, aim);
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

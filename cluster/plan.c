#include "cluster/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/plan_search.h"

void df_plan_free(df_plan **p) {
    if (!p || !*p) return;
    free((*p)->stage_of);
    free((*p)->stage);
    free(*p);
    *p = NULL;
}

static df_code plan_new(df_plan **out, const df_graph *g, int n_stages, df_err *err) {
    df_plan *p = calloc(1, sizeof *p);
    if (p) {
        p->n_stages = n_stages;
        p->stage_of = calloc(g->n_nodes ? (size_t)g->n_nodes : 1, sizeof *p->stage_of);
        p->stage = calloc((size_t)n_stages, sizeof *p->stage);
    }
    if (!p || !p->stage_of || !p->stage) {
        df_plan_free(&p);
        return df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", g->name, n_stages);
    }
    *out = p;
    return DF_OK;
}

/* What every stage sends and receives, by the rules of the cut. stage may be NULL. */
static df_code count_bytes(const df_search *s, const int *stage_of, df_plan_stage *stage, int64_t *total, df_err *err) {
    df_cut *cut = NULL;
    df_code rc = df_cut_new(&cut, s->graph, stage_of, s->n_stages, err);
    if (rc) return rc;
    *total = 0;
    for (int i = 0; i < cut->n_edges; i++) {
        int64_t bytes = s->value_bytes[cut->edges[i].value];
        *total += bytes;
        if (!stage) continue;
        stage[cut->edges[i].from_stage].bytes_out += bytes;
        stage[cut->edges[i].to_stage].bytes_in += bytes;
    }
    df_cut_free(&cut);
    return DF_OK;
}

/* Each stage holds a weight once, however many of its nodes use it. */
static df_code count_weights(df_plan *p, const df_search *s, df_err *err) {
    const df_graph *g = s->graph;
    size_t n = g->n_weights ? (size_t)g->n_weights : 1;
    int *last_stage = malloc(n * sizeof *last_stage);
    if (!last_stage) return df_err_set(err, DF_ENOMEM, "%s: plan of %d weights", g->name, g->n_weights);
    for (int stage = 0; stage < p->n_stages; stage++) {
        for (size_t w = 0; w < n; w++) last_stage[w] = -1;
        for (int i = 0; i < g->n_nodes; i++) {
            if (p->stage_of[i] != stage) continue;
            if (s->ranks.weight_bytes) p->stage[stage].weight_bytes += s->ranks.weight_bytes[i];
            for (int k = 0; k < DF_NODE_MAX_WEIGHTS; k++) {
                df_weight_id w = g->nodes[i].weight[k];
                if (w == DF_NO_WEIGHT || last_stage[w] == stage) continue;
                last_stage[w] = stage;
                p->stage[stage].parameters += df_shape_elements(g->weights[w].shape);
            }
        }
        if (!s->ranks.weight_bytes)
            p->stage[stage].weight_bytes = (size_t)p->stage[stage].parameters * df_dtype_bytes(s->ranks.dtype);
    }
    free(last_stage);
    return DF_OK;
}

/* The mean is what each stage would take if the work could be divided at will. */
static void count_seconds(df_plan *p, const df_search *s, const df_cost *cost) {
    double total = 0, speeds = 0, largest = 0;
    for (int i = 0; i < s->graph->n_nodes; i++)
        p->stage[p->stage_of[i]].seconds += cost->node_seconds[i] / df_search_speed(s, p->stage_of[i]);
    for (int i = 0; i < p->n_stages; i++) {
        df_plan_stage *stage = &p->stage[i];
        double work = stage->seconds * df_search_speed(s, i), pace = df_search_pace(s, i, work, stage->bytes_in);
        total += work;
        speeds += df_search_speed(s, i);
        stage->share = work;
        if (stage->seconds > largest) largest = stage->seconds;
        if (pace > p->largest_seconds) p->largest_seconds = pace;
    }
    for (int i = 0; i < p->n_stages; i++) p->stage[i].share = total > 0 ? p->stage[i].share / total : 0;
    double mean = total / speeds;
    p->imbalance = mean > 0 ? largest / mean - 1 : 0;
    p->efficiency = largest > 0 ? mean / largest : 1;
}

static double slack_of(const df_search *s) {
    return s->ranks.slack > 0 ? s->ranks.slack : DF_PLAN_SLACK;
}

static double largest_of(const df_search *s, const int *stage_of, df_err *err) {
    double largest = 0;
    df_plan_stage *stage = calloc((size_t)s->n_stages, sizeof *stage);
    int64_t bytes;
    if (!stage || count_bytes(s, stage_of, stage, &bytes, err)) largest = INFINITY;
    for (int i = 0; i < s->graph->n_nodes && stage; i++) stage[stage_of[i]].seconds += s->prefix[i + 1] - s->prefix[i];
    for (int i = 0; i < s->n_stages && stage; i++)
        largest = fmax(largest, df_search_pace(s, i, stage[i].seconds, stage[i].bytes_in));
    free(stage);
    return largest;
}

/* A fold over many ranks has fewer places to cut at, and sends what slices of the middle do not: p keeps the slices in
 * `linear` where the fold is slower by more than the slack, or impossible. */
static df_code fold_or_slice(df_plan *p, const df_search *s, const int *linear, df_err *err) {
    df_code rc = df_search_folded(s, slack_of(s), p->stage_of, err);
    bool fits = linear[0] >= 0;
    p->kind = DF_PLAN_FOLDED;
    if (rc && rc != DF_ELIMIT) return rc;
    if (!fits || (!rc && largest_of(s, p->stage_of, err) <= largest_of(s, linear, err) * (1 + slack_of(s)))) return rc;
    p->kind = DF_PLAN_LINEAR;
    memcpy(p->stage_of, linear, (size_t)s->graph->n_nodes * sizeof *linear);
    return DF_OK;
}

/* linear[0] is -1 where slices have no room: a fold may still have. */
static df_code slice(df_plan *p, const df_search *s, int *linear, df_err *err) {
    df_code rc = df_search_linear(s, 0, linear, err);
    if (!rc) rc = count_bytes(s, linear, NULL, &p->bytes_crossing_naive, err);
    if (!rc) rc = df_search_linear(s, slack_of(s), linear, err);
    if (rc != DF_ELIMIT || !s->has_skips) return rc;
    linear[0] = -1;
    return DF_OK;
}

static df_code make(df_plan *p, const df_search *s, df_plan_kind kind, df_err *err) {
    int *linear = calloc(s->graph->n_nodes ? (size_t)s->graph->n_nodes : 1, sizeof *linear);
    if (!linear) return df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", s->graph->name, p->n_stages);
    df_code rc = slice(p, s, linear, err);
    if (!rc && kind == DF_PLAN_FOLDED && s->has_skips)
        rc = fold_or_slice(p, s, linear, err);
    else if (!rc && linear[0] < 0)
        rc = df_search_no_room(s, err);
    else if (!rc)
        memcpy(p->stage_of, linear, (size_t)s->graph->n_nodes * sizeof *linear);
    free(linear);
    if (!rc) rc = count_bytes(s, p->stage_of, p->stage, &p->bytes_crossing, err);
    return rc ? rc : count_weights(p, s, err);
}

df_code df_plan_make(df_plan **out, const df_graph *g, const df_cost *cost, int n_stages, df_plan_kind kind,
                     const df_plan_ranks *ranks, df_err *err) {
    if (n_stages < 1 || n_stages > 1024)
        return df_err_set(err, DF_EINVAL, "%s: %d stages: 1 to 1024 are possible", g->name, n_stages);
    df_plan *p = NULL;
    df_search s = { 0 };
    df_code rc = plan_new(&p, g, n_stages, err);
    if (!rc) rc = df_search_open(&s, g, cost, n_stages, ranks, err);
    if (!rc) rc = make(p, &s, kind, err);
    if (!rc) count_seconds(p, &s, cost);
    df_search_close(&s);
    if (rc) {
        df_plan_free(&p);
        return rc;
    }
    *out = p;
    return DF_OK;
}

#include "cluster/plan.h"

#include <stdlib.h>

#include "cluster/plan_search.h"

/* Balance given up for fewer bytes. */
#define SLACK 0.02

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

/* What every stage sends, by the rules of the cut. bytes_out may be NULL. */
static df_code count_bytes(const df_search *s, const int *stage_of, int n_stages, df_plan_stage *stage, int64_t *total,
                           df_err *err) {
    df_cut *cut = NULL;
    df_code rc = df_cut_new(&cut, s->graph, stage_of, n_stages, err);
    if (rc) return rc;
    *total = 0;
    for (int i = 0; i < cut->n_edges; i++) {
        int64_t bytes = s->value_bytes[cut->edges[i].value];
        *total += bytes;
        if (stage) stage[cut->edges[i].from_stage].bytes_out += bytes;
    }
    df_cut_free(&cut);
    return DF_OK;
}

static df_code count_naive(df_plan *p, const df_search *s, df_err *err) {
    int *stage_of = calloc(s->graph->n_nodes ? (size_t)s->graph->n_nodes : 1, sizeof *stage_of);
    if (!stage_of) return df_err_set(err, DF_ENOMEM, "%s: plan for %d stages", s->graph->name, p->n_stages);
    df_code rc = df_search_linear(s, p->n_stages, 0, stage_of, err);
    if (!rc) rc = count_bytes(s, stage_of, p->n_stages, NULL, &p->bytes_crossing_naive, err);
    free(stage_of);
    return rc;
}

/* Each stage holds a weight once, however many of its nodes use it. */
static df_code count_weights(df_plan *p, const df_graph *g, df_err *err) {
    size_t n = g->n_weights ? (size_t)g->n_weights : 1;
    int *last_stage = malloc(n * sizeof *last_stage);
    if (!last_stage) return df_err_set(err, DF_ENOMEM, "%s: plan of %d weights", g->name, g->n_weights);
    for (int stage = 0; stage < p->n_stages; stage++) {
        for (size_t w = 0; w < n; w++) last_stage[w] = -1;
        for (int i = 0; i < g->n_nodes; i++) {
            if (p->stage_of[i] != stage) continue;
            for (int k = 0; k < DF_NODE_MAX_WEIGHTS; k++) {
                df_weight_id w = g->nodes[i].weight[k];
                if (w == DF_NO_WEIGHT || last_stage[w] == stage) continue;
                last_stage[w] = stage;
                p->stage[stage].parameters += df_shape_elements(g->weights[w].shape);
            }
        }
        p->stage[stage].weight_bytes = (size_t)p->stage[stage].parameters * sizeof(float);
    }
    free(last_stage);
    return DF_OK;
}

static void count_seconds(df_plan *p, const df_graph *g, const df_cost *cost) {
    double total = 0, largest = 0;
    for (int i = 0; i < g->n_nodes; i++) p->stage[p->stage_of[i]].seconds += cost->node_seconds[i];
    for (int i = 0; i < p->n_stages; i++) {
        total += p->stage[i].seconds;
        if (p->stage[i].seconds > largest) largest = p->stage[i].seconds;
    }
    for (int i = 0; i < p->n_stages; i++) p->stage[i].share = total > 0 ? p->stage[i].seconds / total : 0;
    double mean = total / p->n_stages;
    p->imbalance = mean > 0 ? largest / mean - 1 : 0;
    p->efficiency = largest > 0 ? mean / largest : 1;
}

static df_code make(df_plan *p, const df_graph *g, const df_cost *cost, df_plan_kind kind, df_err *err) {
    df_search s;
    df_code rc = df_search_open(&s, g, cost, err);
    if (rc) return rc;
    p->kind = kind == DF_PLAN_FOLDED && s.has_skips ? DF_PLAN_FOLDED : DF_PLAN_LINEAR;
    if (p->kind == DF_PLAN_FOLDED)
        rc = df_search_folded(&s, p->n_stages, SLACK, p->stage_of, err);
    else
        rc = df_search_linear(&s, p->n_stages, SLACK, p->stage_of, err);
    if (!rc) rc = count_bytes(&s, p->stage_of, p->n_stages, p->stage, &p->bytes_crossing, err);
    if (!rc) rc = count_naive(p, &s, err);
    df_search_close(&s);
    return rc;
}

df_code df_plan_make(df_plan **out, const df_graph *g, const df_cost *cost, int n_stages, df_plan_kind kind,
                     df_err *err) {
    if (n_stages < 1 || n_stages > 1024)
        return df_err_set(err, DF_EINVAL, "%s: %d stages: 1 to 1024 are possible", g->name, n_stages);
    df_plan *p = NULL;
    df_code rc = plan_new(&p, g, n_stages, err);
    if (!rc) rc = make(p, g, cost, kind, err);
    if (!rc) rc = count_weights(p, g, err);
    if (rc) {
        df_plan_free(&p);
        return rc;
    }
    count_seconds(p, g, cost);
    *out = p;
    return DF_OK;
}

#include "cluster/crossing.h"

#include <stdlib.h>

typedef struct list {
    const df_graph *g;
    const df_cut *cut;
    df_crossing *of;
    int n;
} list;

static void add(list *l, df_crossing c) {
    l->of[l->n++] = c;
}

static int segment_of_node(const df_cut *cut, int node) {
    int i = 0;
    while (node >= cut->segments[i].end_node) i++;
    return i;
}

static void add_edges(list *l, int half) {
    for (int i = 0; i < l->cut->n_edges; i++) {
        const df_edge *e = &l->cut->edges[i];
        int first = half * l->cut->n_stages;
        add(l, (df_crossing) { .value = e->value,
                               .half = half,
                               .from_rank = e->from_segment < 0 ? 0 : first + e->from_stage,
                               .to_rank = e->to_segment == l->cut->n_segments ? 0 : first + e->to_stage,
                               .from_segment = e->from_segment,
                               .to_segment = e->to_segment });
    }
}

static bool reads(const df_node *node, df_value_id v) {
    df_value_id all[DF_NODE_MAX_READS];
    for (int n = df_node_reads(node, all), i = 0; i < n; i++)
        if (all[i] == v) return true;
    return false;
}

/* The cut takes inputs to be on stage 0, which is rank 0 in the first half alone. */
static void add_inputs_of_first_stage(list *l, int half) {
    for (int i = 0; i < l->g->n_inputs; i++) {
        int node = 0;
        while (node < l->g->n_nodes &&
               (l->cut->stage_of[node] != 0 || !reads(&l->g->nodes[node], l->g->inputs[i].value)))
            node++;
        if (node < l->g->n_nodes)
            add(l, (df_crossing) { .value = l->g->inputs[i].value,
                                   .half = half,
                                   .to_rank = half * l->cut->n_stages,
                                   .from_segment = -1,
                                   .to_segment = segment_of_node(l->cut, node) });
    }
}

static bool is_due_on_rank0(const df_cut *cut, df_value_id v) {
    for (int i = 0; i < cut->n_edges; i++)
        if (cut->edges[i].value == v && cut->edges[i].to_segment == cut->n_segments) return true;
    return false;
}

/* Outputs that the cut has on stage 0 anyhow: made there, or used there. */
static void add_outputs_of_first_stage(list *l, int half) {
    for (int i = 0; i < l->g->n_outputs; i++) {
        df_value_id v = l->g->outputs[i].value;
        int producer = l->g->values[v].producer;
        if (producer < 0 || is_due_on_rank0(l->cut, v)) continue;
        add(l, (df_crossing) { .value = v,
                               .half = half,
                               .from_rank = half * l->cut->n_stages + l->cut->stage_of[producer],
                               .from_segment = segment_of_node(l->cut, producer),
                               .to_segment = l->cut->n_segments });
    }
}

df_code df_crossings_list(df_crossing **out, int *n, const df_graph *g, const df_cut *cut, int n_halves, df_err *err) {
    size_t most = (size_t)n_halves * (size_t)(cut->n_edges + g->n_inputs + g->n_outputs) + 1;
    list l = { .g = g, .cut = cut, .of = calloc(most, sizeof *l.of) };
    if (!l.of) return df_err_set(err, DF_ENOMEM, "%s: %zu values between ranks", g->name, most);
    for (int half = 0; half < n_halves; half++) {
        add_edges(&l, half);
        if (half > 0) add_inputs_of_first_stage(&l, half);
        if (half > 0) add_outputs_of_first_stage(&l, half);
    }
    *out = l.of;
    *n = l.n;
    return DF_OK;
}

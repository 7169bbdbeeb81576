#include "engine/graph/sample.h"

#include "engine/graph/graph_impl.h"
#include "engine/graph/shape.h"

typedef struct sampler {
    df_graph *g;
    const df_graph *from;
    df_value_id taken[DF_NODE_MAX_READS]; /* [n_taken] inputs that the node reads so far */
    int n_taken;
} sampler;

static bool is_taken(const sampler *s, df_value_id v) {
    for (int i = 0; i < s->n_taken; i++)
        if (s->taken[i] == v) return true;
    return false;
}

/* Two operands of a node are never the same memory. */
static df_value_id input_like(sampler *s, df_value_id read) {
    const df_value *like = &s->from->values[read];
    df_value_id found = DF_NO_VALUE;
    for (int i = 0; i < s->g->n_inputs && found == DF_NO_VALUE; i++) {
        const df_value *v = &s->g->values[s->g->inputs[i].value];
        bool alike = v->dtype == like->dtype && df_shape_equal(v->shape, like->shape);
        if (alike && !is_taken(s, s->g->inputs[i].value)) found = s->g->inputs[i].value;
    }
    if (found == DF_NO_VALUE)
        found = df_graph_input(s->g, df_graph_name(s->g, "in%d", s->g->n_inputs), like->dtype, like->shape);
    s->taken[s->n_taken++] = found;
    return found;
}

static void add_node(sampler *s, int index) {
    df_node n = s->from->nodes[index];
    s->n_taken = 0;
    for (int i = 0; i < n.n_in; i++) n.in[i] = input_like(s, n.in[i]);
    if (n.fused_add_channel != DF_NO_VALUE) n.fused_add_channel = input_like(s, n.fused_add_channel);
    if (n.residual != DF_NO_VALUE) n.residual = input_like(s, n.residual);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) {
        if (n.weight[i] == DF_NO_WEIGHT) continue;
        const df_weight *w = &s->from->weights[n.weight[i]];
        n.weight[i] = df_graph_add_weight(s->g, w->name, w->shape);
    }
    df_graph_append(s->g, &n, df_graph_shape(s->from, s->from->nodes[index].out));
}

static int64_t largest_weight(const df_graph *g) {
    int64_t most = 0;
    for (int i = 0; i < g->n_weights; i++) {
        int64_t n = df_shape_elements(g->weights[i].shape);
        if (n > most) most = n;
    }
    return most;
}

/* As large as weights are, none of them so small that arithmetic takes longer for it. */
static void give_weights(df_graph *g) {
    int64_t n = largest_weight(g);
    float *values = n ? df_arena_alloc(g->impl->arena, (size_t)n * sizeof *values) : NULL;
    if (n && !values) df_graph_fail(g, DF_ENOMEM, "%lld numbers for weights", (long long)n);
    for (int64_t i = 0; values && i < n; i++) values[i] = (float)(i % 1021 - 510) / 10200;
    for (int i = 0; i < g->n_weights; i++) g->weights[i].values = values;
}

df_code df_graph_sample(df_graph **out, const df_graph *from, const int *nodes, int n, df_err *err) {
    sampler s = { .g = df_graph_new(from->name), .from = from };
    if (!s.g) return df_err_set(err, DF_ENOMEM, "%s: a sample of %d nodes", from->name, n);
    for (int i = 0; i < n; i++) add_node(&s, nodes[i]);
    df_graph_output(s.g, "out", s.g->n_values - 1);
    give_weights(s.g);
    df_code rc = df_graph_finish(s.g, err);
    if (rc)
        df_graph_free(&s.g);
    else
        *out = s.g;
    return rc;
}

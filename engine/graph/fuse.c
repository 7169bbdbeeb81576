#include "engine/graph/fuse.h"

#include <stdlib.h>

#include "engine/graph/fuse_pass.h"
#include "engine/graph/graph_impl.h"
#include "engine/graph/shape.h"

typedef bool (*pass_fn)(df_graph *g, int i);

/* In the order a backend applies what they fold. */
static const pass_fn passes[] = { df_fuse_add_channel, df_fuse_activation, df_fuse_residual, df_fuse_upsample };

static void run_pass(df_graph *g, pass_fn fold) {
    for (int i = 0; i < g->n_nodes;)
        if (!fold(g, i)) i++;
}

static df_value_id renamed(const df_value_id *map, df_value_id v) {
    return v == DF_NO_VALUE ? v : map[v];
}

static void rename_values(df_graph *g, const df_value_id *map) {
    for (int i = 0; i < g->n_nodes; i++) {
        df_node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++) n->in[k] = map[n->in[k]];
        n->out = map[n->out];
        n->fused_add_channel = renamed(map, n->fused_add_channel);
        n->residual = renamed(map, n->residual);
    }
    for (int i = 0; i < g->n_inputs; i++) g->inputs[i].value = map[g->inputs[i].value];
    for (int i = 0; i < g->n_outputs; i++) g->outputs[i].value = map[g->outputs[i].value];
}

/* Drops the values whose node was folded away; map[n_values] is room to work in. */
static void drop_values(df_graph *g, df_value_id *map) {
    int kept = 0;
    for (df_value_id v = 0; v < g->n_values; v++) {
        int producer = g->values[v].producer;
        bool live = producer < 0 || (producer < g->n_nodes && g->nodes[producer].out == v);
        map[v] = live ? kept : DF_NO_VALUE;
        if (live) g->values[kept++] = g->values[v];
    }
    g->n_values = kept;
    rename_values(g, map);
}

df_code df_graph_fuse(df_graph *g, df_err *err) {
    if (!g->impl->finished || g->impl->first.code)
        return df_err_set(err, DF_EINVAL, "graph '%s': only a finished graph can be fused", g->name);
    df_value_id *map = calloc((size_t)g->n_values + 1, sizeof *map);
    if (!map) return df_err_set(err, DF_ENOMEM, "graph '%s': %d values", g->name, g->n_values);
    for (size_t p = 0; p < sizeof passes / sizeof *passes; p++) run_pass(g, passes[p]);
    drop_values(g, map);
    free(map);
    return df_graph_check(g, err);
}

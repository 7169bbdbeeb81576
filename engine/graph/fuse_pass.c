#include "engine/graph/fuse_pass.h"

#include <string.h>

/* How often a value is seen: node operands and graph outputs. */
static int n_uses(const df_graph *g, df_value_id v) {
    int uses = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = df_node_reads(&g->nodes[i], reads);
        for (int k = 0; k < n_reads; k++) uses += reads[k] == v;
    }
    for (int i = 0; i < g->n_outputs; i++) uses += g->outputs[i].value == v;
    return uses;
}

int df_fuse_source(const df_graph *g, int i, int k) {
    df_value_id v = g->nodes[i].in[k];
    for (;;) {
        int producer = g->values[v].producer;
        if (producer < 0 || n_uses(g, v) != 1) return -1;
        if (g->nodes[producer].op != DF_OP_RESHAPE) return producer;
        v = g->nodes[producer].in[0];
    }
}

static void replace(df_value_id *id, df_value_id old, df_value_id new) {
    if (*id == old) *id = new;
}

static void redirect(df_graph *g, df_value_id old, df_value_id new) {
    for (int i = 0; i < g->n_nodes; i++) {
        df_node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++) replace(&n->in[k], old, new);
        replace(&n->fused_add_channel, old, new);
        replace(&n->residual, old, new);
    }
    for (int i = 0; i < g->n_outputs; i++) replace(&g->outputs[i].value, old, new);
}

static void number_producers(df_graph *g) {
    for (int i = 0; i < g->n_nodes; i++) g->values[g->nodes[i].out].producer = i;
}

/* Node `from` to just before node `to`, which lies behind it; returns its new index. */
static int move_before(df_graph *g, int from, int to) {
    df_node moved = g->nodes[from];
    memmove(&g->nodes[from], &g->nodes[from + 1], (size_t)(to - 1 - from) * sizeof moved);
    g->nodes[to - 1] = moved;
    number_producers(g);
    return to - 1;
}

/* The chain that makes v (reshapes, then the source) to just before node `before`, its one reader. */
static void move_chain(df_graph *g, df_value_id v, int before) {
    do {
        before = move_before(g, g->values[v].producer, before);
        v = g->nodes[before].in[0];
    } while (g->nodes[before].op == DF_OP_RESHAPE);
}

void df_fuse_drop(df_graph *g, int i, int k) {
    df_value_id kept = g->nodes[i].in[k], gone = g->nodes[i].out;
    g->n_nodes--;
    memmove(&g->nodes[i], &g->nodes[i + 1], (size_t)(g->n_nodes - i) * sizeof g->nodes[0]);
    redirect(g, gone, kept);
    number_producers(g);
}

df_node *df_fuse_remove(df_graph *g, int i, int k, df_value_id operand) {
    df_value_id kept = g->nodes[i].in[k];
    int source = df_fuse_source(g, i, k);
    df_value_id result = g->nodes[source].out;
    if (operand != DF_NO_VALUE && g->values[operand].producer > source) move_chain(g, kept, i);
    df_fuse_drop(g, i, k);
    return &g->nodes[g->values[result].producer];
}

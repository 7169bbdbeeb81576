#include "client/bench/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append_shape(char *text, df_shape s) {
    for (int i = 0; i < s.rank; i++) {
        size_t n = strlen(text);
        snprintf(text + n, DF_SHAPE_NAME_BYTES - n, "%c%lld", i ? 'x' : ' ', (long long)s.dim[i]);
    }
}

static void describe(char *text, const df_graph *g, const df_node *n) {
    snprintf(text, DF_SHAPE_NAME_BYTES, "%s", df_op_name(n->op));
    size_t length = strlen(text);
    if (n->op == DF_OP_CONV2D)
        snprintf(text + length, DF_SHAPE_NAME_BYTES - length, " %dx%d/%d", n->attr.conv.kernel, n->attr.conv.kernel,
                 n->attr.conv.stride);
    if (n->op == DF_OP_ATTENTION)
        snprintf(text + length, DF_SHAPE_NAME_BYTES - length, " %d heads", n->attr.attention.heads);
    for (int i = 0; i < n->n_in && i < 2; i++) append_shape(text, df_graph_shape(g, n->in[i]));
    strncat(text, " ->", DF_SHAPE_NAME_BYTES - strlen(text) - 1);
    append_shape(text, df_graph_shape(g, n->out));
}

static int find(df_shapes *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->at[i].name, name)) return i;
    return -1;
}

static int add(df_shapes *s, const df_graph *g, int node, const char *name) {
    df_op_shape *new = &s->at[s->n];
    *new = (df_op_shape) { .node = node, .work = df_node_work_of(g, &g->nodes[node]) };
    memcpy(new->name, name, strlen(name) + 1);
    return s->n++;
}

df_code df_shapes_of(df_shapes *out, const df_graph *g, df_err *err) {
    size_t n = (size_t)g->n_nodes + 1;
    df_shapes s = { .at = calloc(n, sizeof *s.at), .of_node = calloc(n, sizeof *s.of_node) };
    if (!s.at || !s.of_node) {
        df_shapes_free(&s);
        return df_err_set(err, DF_ENOMEM, "shapes of %d nodes", g->n_nodes);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        char name[DF_SHAPE_NAME_BYTES];
        s.of_node[i] = -1;
        if (g->nodes[i].op == DF_OP_RESHAPE) continue;
        describe(name, g, &g->nodes[i]);
        int at = find(&s, name);
        if (at < 0) at = add(&s, g, i, name);
        s.of_node[i] = at;
        s.at[at].nodes++;
    }
    *out = s;
    return DF_OK;
}

void df_shapes_free(df_shapes *s) {
    free(s->at);
    free(s->of_node);
    *s = (df_shapes) { 0 };
}

bool df_is_product(const df_graph *g, const df_node *n) {
    bool matrix = n->weight[0] != DF_NO_WEIGHT && g->weights[n->weight[0]].shape.rank > 1;
    return n->op == DF_OP_ATTENTION || (matrix && n->op != DF_OP_EMBEDDING);
}

double df_work_bytes(const df_node_work *w, int64_t rows, df_dtype dtype) {
    return ((double)rows * w->values + w->weights) * (double)df_dtype_bytes(dtype);
}

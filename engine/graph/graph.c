#include "engine/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/graph_impl.h"
#include "engine/graph/shape.h"

static const char *const op_names[] = {
#define X(op, name) name,
    DF_OPS(X)
#undef X
};

static const char *const act_names[] = { "none", "silu", "gelu", "gelu_tanh", "quick_gelu", "relu" };

df_dtype df_value_held_as(const df_value *v, df_dtype activation) {
    return v->dtype == DF_F32 ? activation : v->dtype;
}

const char *df_op_name(df_op op) {
    return (unsigned)op < DF_OP_COUNT ? op_names[op] : "?";
}

const char *df_act_name(df_act act) {
    return (unsigned)act <= DF_ACT_RELU ? act_names[act] : "?";
}

int64_t df_shape_elements(df_shape s) {
    int64_t n = s.rank ? 1 : 0;
    for (int i = 0; i < s.rank; i++) n *= s.dim[i];
    return n;
}

int64_t df_node_parameters(const df_graph *g, const df_node *n) {
    int64_t elements = 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT) elements += df_shape_elements(g->weights[n->weight[i]].shape);
    return elements;
}

int df_node_reads(const df_node *n, df_value_id reads[DF_NODE_MAX_READS]) {
    int count = 0;
    for (int i = 0; i < n->n_in; i++) reads[count++] = n->in[i];
    if (n->fused_add_channel != DF_NO_VALUE) reads[count++] = n->fused_add_channel;
    if (n->residual != DF_NO_VALUE) reads[count++] = n->residual;
    return count;
}

bool df_node_is_kept(const df_graph *g, const df_node *n) {
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    for (int i = 0; i < n_reads; i++)
        if (!g->values[reads[i]].kept) return false;
    return n->op != DF_OP_RESHAPE; /* that is its input's memory */
}

bool df_op_can_run_in_place(df_op op) {
    switch (op) {
    case DF_OP_ACTIVATION:
    case DF_OP_ADD:
    case DF_OP_ADD_CHANNEL:
    case DF_OP_GROUP_NORM:
    case DF_OP_LAYER_NORM:
    case DF_OP_RMS_NORM:
    case DF_OP_MODULATE:
    case DF_OP_GATE:
    case DF_OP_MUL:
    case DF_OP_SCALE:
    case DF_OP_ADD_CONSTANT: return true;
    default: return false;
    }
}

df_graph *df_graph_new(const char *name) {
    df_graph *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->impl = calloc(1, sizeof *g->impl);
    if (!g->impl || !(g->impl->arena = df_arena_new()) || !(g->name = df_arena_strdup(g->impl->arena, name)))
        df_graph_free(&g);
    return g;
}

void df_graph_free(df_graph **graph) {
    if (!graph || !*graph) return;
    df_graph *g = *graph;
    free(g->nodes);
    free(g->values);
    free(g->weights);
    free(g->inputs);
    free(g->outputs);
    if (g->impl) df_arena_free(&g->impl->arena);
    free(g->impl);
    free(g);
    *graph = NULL;
}

void df_graph_fail(df_graph *g, df_code code, const char *fmt, ...) {
    if (g->impl->first.code) return;
    char text[DF_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    df_err_set(&g->impl->first, code, "graph '%s': %s", g->name, text);
}

static void fail_memory(df_graph *g) {
    df_graph_fail(g, DF_ENOMEM, "out of memory after %d nodes", g->n_nodes);
}

bool df_graph_is_open(df_graph *g) {
    if (g->impl->finished) df_graph_fail(g, DF_EINVAL, "changed after it was finished");
    return !g->impl->first.code;
}

const char *df_graph_name(df_graph *g, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        df_graph_fail(g, DF_ELIMIT, "a name is longer than %zu bytes: '%s...'", sizeof text - 1, text);
        return "";
    }
    const char *copy = df_arena_strdup(g->impl->arena, text);
    if (copy) return copy;
    fail_memory(g);
    return "";
}

/* The array with room for item n, moved if need be; NULL (and the graph failed) when out of memory. */
static void *grown(df_graph *g, void *array, int *cap, int n, size_t item_bytes) {
    if (n < *cap) return array;
    int more = *cap ? *cap * 2 : 16;
    void *moved = reallocarray(array, (size_t)more, item_bytes);
    if (moved)
        *cap = more;
    else
        fail_memory(g);
    return moved;
}

static df_value_id add_value(df_graph *g, df_value v) {
    df_value *values = grown(g, g->values, &g->impl->cap_values, g->n_values, sizeof *values);
    if (!values) return DF_NO_VALUE;
    g->values = values;
    values[g->n_values] = v;
    return g->n_values++;
}

df_value_id df_graph_append(df_graph *g, const df_node *node, df_shape declared) {
    if (!df_graph_is_open(g)) return DF_NO_VALUE;
    df_err why = { 0 };
    df_shape shape = declared;
    df_code rc = df_node_infer(g, node, &shape, &why);
    if (rc) {
        df_graph_fail(g, rc, "%s '%s': %s", df_op_name(node->op), node->name, why.text);
        return DF_NO_VALUE;
    }
    df_node *nodes = grown(g, g->nodes, &g->impl->cap_nodes, g->n_nodes, sizeof *nodes);
    if (!nodes) return DF_NO_VALUE;
    g->nodes = nodes;
    /* a reshape keeps its input's type; everything else makes activations */
    df_dtype dtype = node->op == DF_OP_RESHAPE ? g->values[node->in[0]].dtype : DF_F32;
    df_value_id out = add_value(g, (df_value) { node->name, dtype, shape, g->n_nodes, false });
    if (out == DF_NO_VALUE) return DF_NO_VALUE;
    nodes[g->n_nodes] = *node;
    nodes[g->n_nodes++].out = out;
    return out;
}

static df_weight_id share_weight(df_graph *g, df_weight_id w, df_shape shape) {
    if (df_shape_equal(g->weights[w].shape, shape)) return w;
    df_graph_fail(g, DF_ESHAPE, "weight '%s' is wanted as %s and as %s", g->weights[w].name,
                  df_shape_format(g->weights[w].shape).text, df_shape_format(shape).text);
    return DF_NO_WEIGHT;
}

df_weight_id df_graph_add_weight(df_graph *g, const char *name, df_shape shape) {
    if (!df_graph_is_open(g)) return DF_NO_WEIGHT;
    for (df_weight_id w = 0; w < g->n_weights; w++)
        if (!strcmp(g->weights[w].name, name)) return share_weight(g, w, shape);
    df_weight *weights = grown(g, g->weights, &g->impl->cap_weights, g->n_weights, sizeof *weights);
    if (!weights) return DF_NO_WEIGHT;
    g->weights = weights;
    weights[g->n_weights] = (df_weight) { .name = name, .shape = shape };
    return g->n_weights++;
}

df_value_id df_graph_input(df_graph *g, const char *name, df_dtype dtype, df_shape shape) {
    if (!df_graph_is_open(g)) return DF_NO_VALUE;
    df_err why = { 0 };
    if (df_shape_check(shape, &why)) {
        df_graph_fail(g, why.code, "input '%s': %s", name, why.text);
        return DF_NO_VALUE;
    }
    if (dtype != DF_F32 && dtype != DF_F64 && dtype != DF_I32) {
        df_graph_fail(g, DF_EINVAL, "input '%s' is %s, must be F32, F64 or I32", name, df_dtype_name(dtype));
        return DF_NO_VALUE;
    }
    df_port *inputs = grown(g, g->inputs, &g->impl->cap_inputs, g->n_inputs, sizeof *inputs);
    if (!inputs) return DF_NO_VALUE;
    g->inputs = inputs;
    name = df_graph_name(g, "%s", name);
    df_value_id v = add_value(g, (df_value) { name, dtype, shape, -1, false });
    if (v != DF_NO_VALUE) inputs[g->n_inputs++] = (df_port) { name, v };
    return v;
}

void df_graph_keep(df_graph *g, df_value_id input) {
    if (df_graph_is_open(g) && df_graph_has_value(g, input) && g->values[input].producer < 0)
        g->values[input].kept = true;
}

void df_graph_output(df_graph *g, const char *name, df_value_id v) {
    if (!df_graph_is_open(g)) return;
    if (!df_graph_has_value(g, v)) {
        df_graph_fail(g, DF_EINVAL, "output '%s' is no value of the graph (%d)", name, v);
        return;
    }
    df_port *outputs = grown(g, g->outputs, &g->impl->cap_outputs, g->n_outputs, sizeof *outputs);
    if (!outputs) return;
    g->outputs = outputs;
    outputs[g->n_outputs++] = (df_port) { df_graph_name(g, "%s", name), v };
}

static df_value_id find_port(const df_port *ports, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name)) return ports[i].value;
    return DF_NO_VALUE;
}

df_value_id df_graph_find_output(const df_graph *g, const char *name) {
    return find_port(g->outputs, g->n_outputs, name);
}

df_value_id df_graph_find_input(const df_graph *g, const char *name) {
    return find_port(g->inputs, g->n_inputs, name);
}

df_shape df_graph_shape(const df_graph *g, df_value_id v) {
    return df_graph_has_value(g, v) ? g->values[v].shape : (df_shape) { 0 };
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_unique(df_graph *g, const char *what, const char **names, int n) {
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 1; i < n; i++)
        if (!strcmp(names[i - 1], names[i])) df_graph_fail(g, DF_EEXIST, "two %s are called '%s'", what, names[i]);
}

static void check_names(df_graph *g) {
    int most = g->n_nodes + g->n_inputs + g->n_outputs;
    const char **names = calloc((size_t)most + 1, sizeof *names);
    if (!names) {
        fail_memory(g);
        return;
    }
    for (int i = 0; i < g->n_nodes; i++) names[i] = g->nodes[i].name;
    check_unique(g, "nodes", names, g->n_nodes);
    for (int i = 0; i < g->n_inputs; i++) names[i] = g->inputs[i].name;
    check_unique(g, "inputs", names, g->n_inputs);
    for (int i = 0; i < g->n_outputs; i++) names[i] = g->outputs[i].name;
    check_unique(g, "outputs", names, g->n_outputs);
    free(names);
}

df_code df_graph_finish(df_graph *g, df_err *err) {
    if (!g->impl->first.code && !g->impl->finished) {
        if (!g->n_outputs) df_graph_fail(g, DF_EINVAL, "has no output");
        check_names(g);
        g->impl->finished = true;
    }
    if (g->impl->first.code) return df_err_set(err, g->impl->first.code, "%s", g->impl->first.text);
    return DF_OK;
}

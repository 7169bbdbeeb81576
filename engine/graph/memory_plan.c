#include "engine/graph/memory_plan.h"

#include <stdlib.h>

enum { ALIGN = 64 };

/* Values that share memory: a value, its reshapes, and results written over them. Time is the node index; -1 is before
 * the first node, n_nodes after the last. */
typedef struct block {
    df_region region;
    size_t bytes; /* per row */
    int first, last; /* alive, both ends included */
    size_t offset;
} block;

typedef struct planner {
    const df_graph *g;
    const df_cut *cut;
    int stage;
    df_dtype activation;
    df_value_id *parent; /* [n_values] union-find over values; a root's block is blocks[root] */
    block *blocks; /* [n_values] */
    int *segment_of; /* [n_nodes] */
    df_value_id *order; /* [n_values] roots, as they are placed */
} planner;

static df_value_id root_of(planner *p, df_value_id v) {
    while (p->parent[v] != v) v = p->parent[v] = p->parent[p->parent[v]];
    return v;
}

static bool ours(const planner *p, int node) {
    return p->cut->stage_of[node] == p->stage;
}

static size_t value_bytes(const planner *p, df_value_id v) {
    const df_value *value = &p->g->values[v];
    size_t unit = df_dtype_bytes(df_value_held_as(value, p->activation));
    size_t bytes = (size_t)df_shape_elements(value->shape) * unit; /* DF_MAX_ROW_ELEMENTS keeps it small enough */
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The value is on the stage at `time`; slot: it also lives outside the segment that makes it. */
static void touch(planner *p, df_value_id v, int time, bool slot) {
    block *b = &p->blocks[root_of(p, v)];
    if (b->region == DF_REGION_NONE) {
        *b = (block) { DF_REGION_SCRATCH, value_bytes(p, v), time, time, 0 };
    } else {
        if (time < b->first) b->first = time;
        if (time > b->last) b->last = time;
    }
    if (slot) b->region = DF_REGION_SLOT;
}

static void join_reshapes(planner *p) {
    for (int i = 0; i < p->g->n_nodes; i++) {
        const df_node *n = &p->g->nodes[i];
        if (ours(p, i) && n->op == DF_OP_RESHAPE) p->parent[root_of(p, n->out)] = root_of(p, n->in[0]);
    }
}

/* What nodes of the stage read and write. */
static void touch_nodes(planner *p) {
    for (int i = 0; i < p->g->n_nodes; i++) {
        if (!ours(p, i)) continue;
        const df_node *n = &p->g->nodes[i];
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = df_node_reads(n, reads);
        for (int k = 0; k < n_reads; k++) touch(p, reads[k], i, false);
        touch(p, n->out, i, false);
    }
}

/* What comes from outside is received at any time from the start of the pass on; what goes outside must stay until its
 * end, because a send may still be reading it. */
static void touch_ports(planner *p) {
    const df_graph *g = p->g;
    int end = g->n_nodes;
    for (int i = 0; p->stage == 0 && i < g->n_inputs; i++) touch(p, g->inputs[i].value, -1, true);
    for (int i = 0; p->stage == 0 && i < g->n_outputs; i++) touch(p, g->outputs[i].value, end, true);
    for (int i = 0; i < p->cut->n_edges; i++) {
        const df_edge *e = &p->cut->edges[i];
        if (e->from_stage == p->stage) touch(p, e->value, end, true);
        if (e->to_stage == p->stage) touch(p, e->value, -1, true);
    }
}

static void number_segments(planner *p) {
    for (int s = 0; s < p->cut->n_segments; s++)
        for (int i = p->cut->segments[s].first_node; i < p->cut->segments[s].end_node; i++) p->segment_of[i] = s;
}

/* What is made of kept inputs alone stays for the passes to come. */
static void keep_over_passes(planner *p) {
    for (int i = 0; i < p->g->n_nodes; i++) {
        if (!ours(p, i) || !df_node_is_kept(p->g, &p->g->nodes[i])) continue;
        block *b = &p->blocks[root_of(p, p->g->nodes[i].out)];
        if (b->region != DF_REGION_SCRATCH) continue; /* it travels, or is part of an input's memory */
        *b = (block) { DF_REGION_KEPT, b->bytes, -1, p->g->n_nodes, 0 };
    }
}

/* Scratch belongs to one segment at a time: a block that outlives its segment is kept in the slot. */
static void keep_across_segments(planner *p) {
    for (df_value_id v = 0; v < p->g->n_values; v++) {
        block *b = &p->blocks[v];
        if (b->region == DF_REGION_SCRATCH && p->segment_of[b->first] != p->segment_of[b->last])
            b->region = DF_REGION_SLOT;
    }
}

/* May node i write its result over `over`, one of its operands? That must die here, be as large, and in the same
 * region; and the node must read nothing else of that memory. */
static bool can_write_over(planner *p, int i, df_value_id over) {
    const df_node *n = &p->g->nodes[i];
    df_value_id from = root_of(p, over), to = root_of(p, n->out), reads[DF_NODE_MAX_READS];
    const block *a = &p->blocks[from], *b = &p->blocks[to];
    if (from == to || a->region != b->region || a->bytes != b->bytes || a->last != i || b->first != i) return false;
    int n_reads = df_node_reads(n, reads), of_that_memory = 0;
    for (int k = 0; k < n_reads; k++) of_that_memory += root_of(p, reads[k]) == from;
    return of_that_memory == 1;
}

static void write_over(planner *p, int i, df_value_id over) {
    df_value_id from = root_of(p, over), to = root_of(p, p->g->nodes[i].out);
    p->blocks[from].last = p->blocks[to].last;
    p->blocks[to].region = DF_REGION_NONE;
    p->parent[to] = from;
}

static void run_in_place(planner *p) {
    for (int i = 0; i < p->g->n_nodes; i++) {
        const df_node *n = &p->g->nodes[i];
        if (!ours(p, i)) continue;
        if (df_op_can_run_in_place(n->op) && can_write_over(p, i, n->in[0]))
            write_over(p, i, n->in[0]);
        else if (n->residual != DF_NO_VALUE && can_write_over(p, i, n->residual))
            write_over(p, i, n->residual);
    }
}

static bool is_node(const planner *p, int time) {
    return time >= 0 && time < p->g->n_nodes;
}

/* What lies in the slot keeps its place for the whole of each segment that it lives in: rows of the batch may run
 * through a segment one after the other, or side by side. */
static void settle_slot(planner *p) {
    for (df_value_id v = 0; v < p->g->n_values; v++) {
        block *b = &p->blocks[v];
        if (b->region != DF_REGION_SLOT) continue;
        /* not so for an input that no node reads, or an output that none of ours makes */
        if (is_node(p, b->first)) b->first = p->cut->segments[p->segment_of[b->first]].first_node;
        if (is_node(p, b->last)) b->last = p->cut->segments[p->segment_of[b->last]].end_node - 1;
    }
}

/* Roots, largest first; of the same size the earlier value first, so that plans are the same everywhere. */
static int sort_blocks(planner *p) {
    int n = 0;
    for (df_value_id v = 0; v < p->g->n_values; v++) {
        if (p->parent[v] != v || p->blocks[v].region == DF_REGION_NONE) continue;
        int at = n++;
        for (; at > 0 && p->blocks[p->order[at - 1]].bytes < p->blocks[v].bytes; at--) p->order[at] = p->order[at - 1];
        p->order[at] = v;
    }
    return n;
}

static bool together(const block *a, const block *b) {
    return a->region == b->region && a->first <= b->last && b->first <= a->last;
}

/* The lowest gap that holds order[at], among those placed before that live at the same time. */
static void place(planner *p, int at) {
    block *b = &p->blocks[p->order[at]];
    b->offset = 0;
    for (int k = 0; k < at;) {
        const block *o = &p->blocks[p->order[k]];
        bool hit = together(o, b) && o->offset < b->offset + b->bytes && b->offset < o->offset + o->bytes;
        if (hit) b->offset = o->offset + o->bytes;
        k = hit ? 0 : k + 1; /* moved: look at all again */
    }
}

static void place_all(planner *p, df_memory_plan *plan) {
    int n = sort_blocks(p);
    for (int i = 0; i < n; i++) {
        place(p, i);
        const block *b = &p->blocks[p->order[i]];
        size_t *bytes = b->region == DF_REGION_SLOT   ? &plan->slot_bytes
                        : b->region == DF_REGION_KEPT ? &plan->kept_bytes
                                                      : &plan->scratch_bytes;
        if (b->offset + b->bytes > *bytes) *bytes = b->offset + b->bytes;
    }
    for (df_value_id v = 0; v < p->g->n_values; v++) {
        const block *b = &p->blocks[root_of(p, v)];
        plan->of[v] = (df_placement) { b->region, b->region == DF_REGION_NONE ? 0 : b->offset };
    }
}

static bool open_planner(planner *p) {
    size_t n_values = (size_t)p->g->n_values + 1, n_nodes = (size_t)p->g->n_nodes + 1;
    p->parent = calloc(n_values, sizeof *p->parent);
    p->blocks = calloc(n_values, sizeof *p->blocks);
    p->order = calloc(n_values, sizeof *p->order);
    p->segment_of = calloc(n_nodes, sizeof *p->segment_of);
    if (!p->parent || !p->blocks || !p->order || !p->segment_of) return false;
    for (df_value_id v = 0; v < p->g->n_values; v++) p->parent[v] = v;
    number_segments(p);
    return true;
}

static void close_planner(planner *p) {
    free(p->parent);
    free(p->blocks);
    free(p->order);
    free(p->segment_of);
}

static void make_plan(planner *p, df_memory_plan *plan) {
    join_reshapes(p);
    touch_nodes(p);
    touch_ports(p);
    keep_over_passes(p);
    keep_across_segments(p);
    run_in_place(p);
    settle_slot(p);
    place_all(p, plan);
}

df_code df_memory_plan_new(df_memory_plan **out, const df_graph *g, const df_cut *cut, int stage, df_dtype activation,
                           df_err *err) {
    planner p = { .g = g, .cut = cut, .stage = stage, .activation = activation };
    df_memory_plan *plan = calloc(1, sizeof *plan);
    bool ok = plan && (plan->of = calloc((size_t)g->n_values + 1, sizeof *plan->of)) && open_planner(&p);
    if (ok) make_plan(&p, plan);
    close_planner(&p);
    if (!ok) {
        df_memory_plan_free(&plan);
        return df_err_set(err, DF_ENOMEM, "graph '%s': memory plan of stage %d", g->name, stage);
    }
    *out = plan;
    return DF_OK;
}

void df_memory_plan_free(df_memory_plan **plan) {
    if (!plan || !*plan) return;
    free((*plan)->of);
    free(*plan);
    *plan = NULL;
}

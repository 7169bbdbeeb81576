#include "engine/exec/mirror.h"

#include <stdlib.h>

#include "base/size.h"

enum { ALIGN = 64 };
#define NO_PLACE SIZE_MAX

typedef enum direction { UP, DOWN, FETCH } direction;

/* Whether values that cross lie on the host or on the device. */
typedef enum condition { ALWAYS, EDGES_ON_HOST, EDGES_ON_DEVICE } condition;

typedef struct move {
    int segment;
    df_value_id value;
    direction to;
    condition when;
    bool kept_alone; /* within the segment it is read by kept nodes and by no others */
} move;

struct df_mirror {
    const df_space *space;
    void *ctx;
    move *moves;
    int n_moves, cap_moves;
    size_t *place; /* [n_values] bytes per row from the start of a slot's; NO_PLACE */
    int n_values;
    char *memory; /* [n_slots][slot_bytes] */
    size_t slot_bytes;
    int64_t max_rows;
    bool skips_edges;
};

/* The graph as one stage sees it. */
typedef struct view {
    const df_graph *g;
    const df_cut *cut;
    int stage;
    const df_memory_plan *plan;
} view;

static bool is_kept_node(const view *v, int node) {
    return v->plan->of[v->g->nodes[node].out].region == DF_REGION_KEPT;
}

static move *find(df_mirror *m, int segment, df_value_id value, direction to) {
    for (int i = 0; i < m->n_moves; i++) {
        move *a = &m->moves[i];
        if (a->segment == segment && a->value == value && a->to == to) return a;
    }
    return NULL;
}

static bool add(df_mirror *m, move a) {
    move *known = find(m, a.segment, a.value, a.to);
    if (known) {
        if (known->when != a.when) known->when = ALWAYS;
        known->kept_alone &= a.kept_alone;
        return true;
    }
    if (m->n_moves == m->cap_moves) {
        int cap = m->cap_moves ? 2 * m->cap_moves : 16;
        move *moves = reallocarray(m->moves, (size_t)cap, sizeof *moves);
        if (!moves) return false;
        m->moves = moves;
        m->cap_moves = cap;
    }
    m->moves[m->n_moves++] = a;
    return true;
}

static bool crosses(const view *v, df_value_id input) {
    for (int i = 0; i < v->cut->n_edges; i++)
        if (v->cut->edges[i].from_segment < 0 && v->cut->edges[i].value == input) return true;
    return false;
}

/* Graph inputs are the host's on stage 0; to others they cross. One that does so on the device is there already, and
 * being sent: add_edge. */
static bool add_reads(df_mirror *m, const view *v, int segment) {
    const df_segment *seg = &v->cut->segments[segment];
    for (int i = seg->first_node; i < seg->end_node; i++) {
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = df_node_reads(&v->g->nodes[i], reads);
        for (int r = 0; r < n_reads; r++) {
            if (v->stage || v->g->values[reads[r]].producer >= 0) continue;
            condition when = crosses(v, reads[r]) ? EDGES_ON_HOST : ALWAYS;
            if (!add(m, (move) { segment, reads[r], UP, when, is_kept_node(v, i) })) return false;
        }
    }
    return true;
}

static bool is_read_by_kept(const view *v, int segment, df_value_id value) {
    const df_segment *seg = &v->cut->segments[segment];
    for (int i = seg->first_node; i < seg->end_node; i++) {
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = is_kept_node(v, i) ? df_node_reads(&v->g->nodes[i], reads) : 0;
        for (int r = 0; r < n_reads; r++)
            if (reads[r] == value) return true;
    }
    return false;
}

/* Any segment of the stage may keep what is made of a value that came for an earlier one. */
static bool add_fetches(df_mirror *m, const view *v, df_value_id value) {
    for (int s = 0; s < v->cut->n_segments; s++)
        if (v->cut->segments[s].stage == v->stage && is_read_by_kept(v, s, value) &&
            !add(m, (move) { s, value, FETCH, EDGES_ON_DEVICE, false }))
            return false;
    return true;
}

static bool add_edge(df_mirror *m, const view *v, const df_edge *e) {
    if (e->to_stage == v->stage && e->to_segment < v->cut->n_segments) /* else an output */
        return add(m, (move) { e->to_segment, e->value, UP, EDGES_ON_HOST, false }) && add_fetches(m, v, e->value);
    if (e->from_stage != v->stage) return true;
    return e->from_segment < 0 ? add(m, (move) { -1, e->value, UP, EDGES_ON_DEVICE, false })
                               : add(m, (move) { e->from_segment, e->value, DOWN, EDGES_ON_HOST, false });
}

static int segment_of(const df_cut *cut, int node) {
    int s = 0;
    while (node >= cut->segments[s].end_node) s++;
    return s;
}

/* One that came from elsewhere is the host's with the edge that brought it, or, on the device, at the end. */
static bool add_outputs(df_mirror *m, const view *v) {
    for (int i = 0; i < v->g->n_outputs && !v->stage; i++) {
        df_value_id value = v->g->outputs[i].value;
        int producer = v->g->values[value].producer;
        if (producer < 0) continue;
        bool own = v->cut->stage_of[producer] == 0;
        if (!add(m, (move) { own ? segment_of(v->cut, producer) : v->cut->n_segments, value, DOWN,
                             own ? ALWAYS : EDGES_ON_DEVICE, false }))
            return false;
    }
    return true;
}

static bool list_moves(df_mirror *m, const view *v) {
    for (int s = 0; s < v->cut->n_segments; s++)
        if (v->cut->segments[s].stage == v->stage && !add_reads(m, v, s)) return false;
    for (int i = 0; i < v->cut->n_edges; i++)
        if (!add_edge(m, v, &v->cut->edges[i])) return false;
    return add_outputs(m, v);
}

/* What moves, and what a caller may ask for all the same. */
static bool list_places(df_mirror *m, const view *v) {
    m->n_values = v->g->n_values;
    m->place = calloc((size_t)m->n_values + 1, sizeof *m->place);
    if (!m->place) return false;
    for (int i = 0; i < m->n_values; i++) m->place[i] = NO_PLACE;
    for (int i = 0; i < m->n_moves; i++) m->place[m->moves[i].value] = 0;
    for (int i = 0; i < v->g->n_inputs; i++) m->place[v->g->inputs[i].value] = 0;
    for (int i = 0; i < v->g->n_outputs; i++) m->place[v->g->outputs[i].value] = 0;
    for (int i = 0; i < m->n_values; i++)
        if (v->plan->of[i].region != DF_REGION_SLOT) m->place[i] = NO_PLACE;
    return true;
}

df_code df_mirror_open(df_mirror **out, const df_graph *g, const df_cut *cut, int stage, const df_memory_plan *plan,
                       const df_space *space, void *ctx, df_err *err) {
    const view v = { g, cut, stage, plan };
    df_mirror *m = calloc(1, sizeof *m);
    if (!m || !list_moves(m, &v) || !list_places(m, &v)) {
        df_mirror_close(&m);
        return df_err_set(err, DF_ENOMEM, "graph '%s': values on the host", g->name);
    }
    m->space = space;
    m->ctx = ctx;
    *out = m;
    return DF_OK;
}

void df_mirror_close(df_mirror **mirror) {
    if (!mirror || !*mirror) return;
    df_mirror *m = *mirror;
    if (m->memory) m->space->host_free(m->ctx, m->memory);
    free(m->moves);
    free(m->place);
    free(m);
    *mirror = NULL;
}

df_code df_mirror_reserve(df_mirror *m, const df_stage *s, int64_t max_rows, int n_slots, df_err *err) {
    size_t row_bytes = 0, all;
    if (m->memory) m->space->host_free(m->ctx, m->memory);
    m->memory = NULL;
    for (int v = 0; v < m->n_values; v++) {
        if (m->place[v] == NO_PLACE) continue;
        m->place[v] = row_bytes;
        row_bytes += (df_stage_value_bytes(s, v, 1) + ALIGN - 1) / ALIGN * ALIGN;
    }
    if (!df_size_mul(&m->slot_bytes, row_bytes, (size_t)max_rows) || !df_size_mul(&all, m->slot_bytes, (size_t)n_slots))
        return df_err_set(err, DF_ELIMIT, "%d slots of %lld rows on the host", n_slots, (long long)max_rows);
    m->max_rows = max_rows;
    return m->space->host_alloc(m->ctx, (void **)&m->memory, all ? all : 1, err);
}

void *df_mirror_value(const df_mirror *m, int slot, df_value_id v) {
    if (m->place[v] == NO_PLACE) return NULL;
    return m->memory + (size_t)slot * m->slot_bytes + m->place[v] * (size_t)m->max_rows;
}

void df_mirror_skip_edges(df_mirror *m) {
    m->skips_edges = true;
}

bool df_mirror_skips_edges(const df_mirror *m) {
    return m->skips_edges;
}

static bool applies(const df_mirror *m, const move *a, int segment, direction to) {
    bool now = a->when == ALWAYS || (a->when == EDGES_ON_DEVICE) == m->skips_edges;
    return now && a->segment == segment && a->to == to;
}

static df_code enqueue(const df_mirror *m, const move *a, df_stage *s, int slot, int64_t n_rows, df_err *err) {
    void *host = df_stage_value(s, slot, a->value, n_rows), *device = df_stage_device_value(s, slot, a->value, n_rows);
    size_t bytes = df_stage_value_bytes(s, a->value, n_rows);
    if (!host) return DF_OK; /* of no use to anybody: it has no place */
    return a->to == UP ? m->space->upload(m->ctx, device, host, bytes, err)
                       : m->space->download(m->ctx, host, device, bytes, err);
}

static df_code enqueue_all(const df_mirror *m, df_stage *s, direction to, int segment, int slot, int64_t n_rows,
                           bool still, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < m->n_moves && !rc; i++)
        if (applies(m, &m->moves[i], segment, to) && !(still && m->moves[i].kept_alone))
            rc = enqueue(m, &m->moves[i], s, slot, n_rows, err);
    return rc;
}

df_code df_mirror_up(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, bool still, df_err *err) {
    return enqueue_all(m, s, UP, segment, slot, n_rows, still, err);
}

df_code df_mirror_down(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, df_err *err) {
    return enqueue_all(m, s, DOWN, segment, slot, n_rows, false, err);
}

static bool has(const df_mirror *m, int segment, direction to) {
    for (int i = 0; i < m->n_moves; i++)
        if (applies(m, &m->moves[i], segment, to)) return true;
    return false;
}

bool df_mirror_has_down(const df_mirror *m, int segment) {
    return has(m, segment, DOWN);
}

df_code df_mirror_fetch_kept(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, df_err *err) {
    if (!has(m, segment, FETCH)) return DF_OK;
    df_code rc = enqueue_all(m, s, FETCH, segment, slot, n_rows, false, err);
    return rc ? rc : m->space->wait(m->ctx, err);
}

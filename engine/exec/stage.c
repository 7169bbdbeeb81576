#include "engine/exec/stage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "engine/exec/stage_impl.h"
#include "engine/weights/packed.h"

enum { ALIGN = 64 };

static df_code node_error(df_stage *s, const df_node *n, df_err *err) {
    return df_err_wrap(err, "graph '%s', stage %d, %s '%s'", s->cfg.graph->name, s->cfg.stage, df_op_name(n->op),
                       n->name);
}

static void tell_node(df_stage *s, int index) {
    if (s->on_node) s->on_node(s->on_node_ctx, index);
}

/* Open: weights and kernels */

static df_code read_weight(const df_stage_cfg *cfg, df_weight_id id, float **data, df_err *err) {
    const df_weight *w = &cfg->graph->weights[id];
    size_t bytes = (size_t)df_shape_elements(w->shape) * sizeof(float);
    *data = malloc(bytes);
    if (!*data) return df_err_set(err, DF_ENOMEM, "'%s': %zu bytes", w->name, bytes);
    if (w->values) {
        memcpy(*data, w->values, bytes);
        return DF_OK;
    }
    return df_weights_read_f32(cfg->weights, w->name, w->shape.dim, w->shape.rank, *data, err);
}

static df_code open_kernel_with(df_stage *s, int index, int first_weight, df_err *err) {
    const df_stage_cfg *cfg = &s->cfg;
    const df_node *n = &cfg->graph->nodes[index];
    float *weights[DF_NODE_MAX_WEIGHTS] = { NULL };
    df_code rc = DF_OK;
    for (int i = first_weight; i < DF_NODE_MAX_WEIGHTS && !rc; i++)
        if (n->weight[i] != DF_NO_WEIGHT) rc = read_weight(cfg, n->weight[i], &weights[i], err);
    const float *borrowed[DF_NODE_MAX_WEIGHTS] = { weights[0], weights[1] };
    if (!rc) rc = cfg->backend->node_open(s->ctx, &s->kernels[index], cfg->graph, n, borrowed, err);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free(weights[i]);
    return rc;
}

static bool is_packed(const df_stage *s, const df_node *n) {
    char prefix[256];
    int length = snprintf(prefix, sizeof prefix, "%s/", n->name);
    return s->packed && (size_t)length < sizeof prefix && df_packed_has(s->packed, prefix);
}

/* Weights that are there packed need not be read; if they are not the right ones after all, they are read. */
static df_code open_kernel(df_stage *s, int index, df_err *err) {
    const df_node *n = &s->cfg.graph->nodes[index];
    df_code rc = is_packed(s, n) ? open_kernel_with(s, index, 1, err) : DF_ENOTFOUND;
    if (rc == DF_ENOTFOUND) rc = open_kernel_with(s, index, 0, err);
    return rc ? node_error(s, n, err) : DF_OK;
}

static bool runs_here(const df_stage *s, int index) {
    return s->cfg.cut->stage_of[index] == s->cfg.stage && s->cfg.graph->nodes[index].op != DF_OP_RESHAPE;
}

static df_code open_kernels(df_stage *s, df_err *err) {
    const df_graph *g = s->cfg.graph;
    s->kernels = calloc((size_t)g->n_nodes + 1, sizeof(df_kernel *));
    if (!s->kernels) return df_err_set(err, DF_ENOMEM, "stage %d: %d nodes", s->cfg.stage, g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        df_code rc = runs_here(s, i) ? open_kernel(s, i, err) : DF_OK;
        if (rc) return rc;
    }
    return DF_OK;
}

static void count_weights(df_stage *s) {
    const df_graph *g = s->cfg.graph;
    for (int i = 0; i < g->n_nodes; i++)
        if (runs_here(s, i)) s->weight_bytes += s->cfg.backend->node_weight_bytes(s->ctx, g, &g->nodes[i]);
}

static df_code open_space(df_stage *s, df_err *err) {
    const df_stage_cfg *cfg = &s->cfg;
    const df_space *space = df_stage_space(s);
    if (!space) return DF_OK;
    df_code rc = df_mirror_open(&s->mirror, cfg->graph, cfg->cut, cfg->stage, s->plan, space, s->ctx, err);
    return rc ? rc : df_recordings_open(&s->recordings, space, s->ctx, err);
}

/* Before the first of them is read. */
static df_code check_weights_fit(const df_stage *s, df_err *err) {
    const double gib = (double)((size_t)1 << 30);
    size_t left = df_stage_space(s) ? df_stage_space(s)->free_bytes(s->ctx) : 0;
    if (!left || s->weight_bytes <= left) return DF_OK;
    return df_err_set(
        err, DF_ENOMEM,
        "graph '%s', stage %d: its weights take %.3f GiB, %.3f GiB are free: more ranks (--pipeline) or a "
        "smaller --dtype make them fit",
        s->cfg.graph->name, s->cfg.stage, (double)s->weight_bytes / gib, (double)left / gib);
}

static df_code open_packed(df_stage *s, df_err *err) {
    df_stage_cfg *cfg = &s->cfg;
    if (!cfg->packed_dir || !cfg->backend->keeps_packed) return DF_OK;
    df_code rc = df_packed_open(&s->packed, cfg->packed_dir, cfg->packed_key, err);
    cfg->backend_cfg.packed = s->packed;
    return rc;
}

/* A folder that takes no file more is no reason not to go on: the next process packs again. */
static void save_packed(df_stage *s) {
    if (s->packed) df_packed_save(s->packed, NULL);
}

static df_code open_stage(df_stage *s, df_err *err) {
    const df_stage_cfg *cfg = &s->cfg;
    df_code rc = open_packed(s, err);
    if (!rc) rc = cfg->backend->open(&s->ctx, &cfg->backend_cfg, err);
    if (rc) return rc;
    s->n_lanes = cfg->backend->n_lanes ? cfg->backend->n_lanes(s->ctx) : 1;
    s->lane_errs = calloc((size_t)s->n_lanes, sizeof *s->lane_errs);
    if (!s->lane_errs) return df_err_set(err, DF_ENOMEM, "stage %d: %d lanes", cfg->stage, s->n_lanes);
    rc = df_memory_plan_new(&s->plan, cfg->graph, cfg->cut, cfg->stage, cfg->backend_cfg.dtype, err);
    if (!rc) rc = df_kept_open(&s->kept, cfg->graph, cfg->cut, cfg->stage, s->plan, err);
    if (!rc) rc = open_space(s, err);
    if (rc) return rc;
    count_weights(s);
    rc = check_weights_fit(s, err);
    if (!rc) rc = open_kernels(s, err);
    if (!rc) save_packed(s);
    s->cfg.weights = NULL;
    return rc;
}

df_code df_stage_open(df_stage **out, const df_stage_cfg *cfg, df_err *err) {
    df_err why = { 0 }; /* node_error needs one to add to */
    if (cfg->stage < 0 || cfg->stage >= cfg->cut->n_stages)
        return df_err_set(err, DF_EINVAL, "graph '%s' has no stage %d of %d", cfg->graph->name, cfg->stage,
                          cfg->cut->n_stages);
    df_stage *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "stage %d: %zu bytes", cfg->stage, sizeof *s);
    s->cfg = *cfg;
    df_code rc = open_stage(s, &why);
    if (rc) {
        df_stage_close(&s);
        return df_err_set(err, rc, "%s", why.text);
    }
    *out = s;
    return DF_OK;
}

void df_stage_close(df_stage **stage) {
    if (!stage || !*stage) return;
    df_stage *s = *stage;
    df_recordings_close(&s->recordings);
    for (int i = 0; s->kernels && i < s->cfg.graph->n_nodes; i++)
        if (s->kernels[i]) s->cfg.backend->node_close(&s->kernels[i]);
    free(s->kernels);
    df_memory_plan_free(&s->plan);
    df_kept_close(&s->kept);
    df_mirror_close(&s->mirror);
    df_stage_give_back(s, &s->results);
    df_stage_give_back(s, &s->slots);
    df_stage_give_back(s, &s->scratch);
    if (s->ctx) s->cfg.backend->close(&s->ctx);
    df_packed_close(&s->packed);
    free(s->lane_errs);
    free(s);
    *stage = NULL;
}

/* Reserve: memory, and kernels for a number of rows */

void df_stage_give_back(df_stage *s, char **block) {
    if (df_stage_space(s) && *block)
        df_stage_space(s)->free(s->ctx, *block);
    else
        free(*block);
    *block = NULL;
}

df_code df_stage_renew(df_stage *s, char **block, size_t bytes, df_err *err) {
    size_t rounded;
    if (s->recordings) df_recordings_forget(s->recordings); /* they write there */
    df_stage_give_back(s, block);
    if (!df_size_align(&rounded, bytes ? bytes : 1, ALIGN)) return df_err_set(err, DF_ELIMIT, "%zu bytes", bytes);
    if (df_stage_space(s)) return df_stage_space(s)->alloc(s->ctx, (void **)block, rounded, err);
    *block = aligned_alloc(ALIGN, rounded);
    return *block ? DF_OK : df_err_set(err, DF_ENOMEM, "%zu bytes of activations", rounded);
}

static df_code reserve_slots(df_stage *s, int64_t max_rows, int n_slots, df_err *err) {
    size_t slot_bytes, bytes;
    s->max_rows = 0; /* until all is there */
    s->slot_bytes = 0;
    if (!df_size_mul(&slot_bytes, s->plan->slot_bytes, (size_t)max_rows) ||
        !df_size_mul(&bytes, slot_bytes, (size_t)n_slots))
        return df_err_set(err, DF_ELIMIT, "%d slots of %lld rows of %zu bytes", n_slots, (long long)max_rows,
                          s->plan->slot_bytes);
    df_code rc = df_stage_renew(s, &s->slots, bytes, err);
    if (!rc && s->mirror) rc = df_mirror_reserve(s->mirror, s, max_rows, n_slots, err);
    if (rc) return rc;
    s->slot_bytes = slot_bytes;
    s->n_slots = n_slots;
    return DF_OK;
}

static df_code reserve_kept(df_stage *s, int64_t max_rows, int n_slots, df_err *err) {
    size_t bytes;
    if (!df_size_mul(&s->kept_bytes, s->plan->kept_bytes, (size_t)max_rows) ||
        !df_size_mul(&bytes, s->kept_bytes, (size_t)n_slots))
        return df_err_set(err, DF_ELIMIT, "%d slots of %lld rows keep %zu bytes each", n_slots, (long long)max_rows,
                          s->plan->kept_bytes);
    df_code rc = df_stage_renew(s, &s->results, bytes, err);
    return rc ? rc : df_kept_reserve(s->kept, s, max_rows, n_slots, err);
}

static df_code reserve_scratch(df_stage *s, int64_t max_rows, size_t kernel_bytes, df_err *err) {
    size_t bytes;
    if (!df_size_mul(&bytes, s->plan->scratch_bytes, (size_t)max_rows) || !df_size_add(&bytes, bytes, kernel_bytes))
        return df_err_set(err, DF_ELIMIT, "scratch of %lld rows of %zu bytes", (long long)max_rows,
                          s->plan->scratch_bytes);
    df_code rc = df_stage_renew(s, &s->scratch, bytes, err);
    if (rc) {
        s->scratch_bytes = 0;
        s->max_rows = 0; /* nothing runs until a later df_stage_reserve has succeeded */
        return rc;
    }
    s->scratch_bytes = bytes;
    s->kernel_bytes = kernel_bytes;
    return DF_OK;
}

/* Rows that share well among the lanes; a tap sees results of all rows in one place. */
static bool runs_in_lanes(const df_stage *s, int64_t n_rows) {
    return s->n_lanes > 1 && !s->tap && (n_rows % s->n_lanes == 0 || n_rows >= 4 * s->n_lanes);
}

static df_code prepare_kernel(df_stage *s, df_kernel *k, int64_t n_rows, size_t *bytes, df_err *err) {
    const df_backend *b = s->cfg.backend;
    if (!runs_in_lanes(s, n_rows)) return b->node_prepare(k, n_rows, bytes, err);
    df_code rc = b->lane_prepare(k, (n_rows + s->n_lanes - 1) / s->n_lanes, bytes, err);
    if (*bytes > s->lane_bytes) s->lane_bytes = (*bytes + ALIGN - 1) / ALIGN * ALIGN;
    *bytes = s->lane_bytes * (size_t)s->n_lanes;
    return rc;
}

static df_code prepare_kernels(df_stage *s, int64_t n_rows, size_t *most, df_err *err) {
    for (int i = 0; i < s->cfg.graph->n_nodes; i++) {
        size_t bytes = 0;
        if (!s->kernels[i]) continue;
        tell_node(s, i);
        if (prepare_kernel(s, s->kernels[i], n_rows, &bytes, err)) return node_error(s, &s->cfg.graph->nodes[i], err);
        if (bytes > *most) *most = bytes;
    }
    return DF_OK;
}

df_code df_stage_prepare(df_stage *s, int64_t n_rows, df_err *err) {
    if (n_rows < 1 || n_rows > s->max_rows)
        return df_err_set(err, DF_EINVAL, "stage %d: %lld rows, room for %lld", s->cfg.stage, (long long)n_rows,
                          (long long)s->max_rows);
    bool *prepared = &s->prepared[runs_in_lanes(s, n_rows)][n_rows];
    if (*prepared) return DF_OK;
    df_err why = { 0 };
    size_t kernel_bytes = s->kernel_bytes;
    df_code rc = prepare_kernels(s, n_rows, &kernel_bytes, &why);
    if (!rc && kernel_bytes > s->kernel_bytes) rc = reserve_scratch(s, s->max_rows, kernel_bytes, &why);
    if (rc) return df_err_set(err, rc, "%s", why.text);
    *prepared = true;
    return DF_OK;
}

df_code df_stage_reserve(df_stage *s, int64_t max_rows, int n_slots, df_err *err) {
    if (max_rows < 1 || max_rows > DF_MAX_ROWS || n_slots < 1)
        return df_err_set(err, DF_EINVAL, "stage %d: %d slots of %lld rows; rows must be 1 to %lld", s->cfg.stage,
                          n_slots, (long long)max_rows, (long long)DF_MAX_ROWS);
    df_err why = { 0 };
    df_code rc = reserve_slots(s, max_rows, n_slots, &why);
    if (!rc) rc = reserve_kept(s, max_rows, n_slots, &why);
    if (!rc) rc = reserve_scratch(s, max_rows, s->kernel_bytes, &why);
    if (!rc) {
        s->max_rows = max_rows;
        rc = df_stage_prepare(s, max_rows, &why);
    }
    if (rc == DF_ENOMEM && df_stage_space(s)) return df_stage_no_room(s, max_rows, n_slots, &why, err);
    return rc ? df_err_set(err, rc, "%s", why.text) : DF_OK;
}

df_stage_memory df_stage_memory_of(const df_stage *s) {
    size_t slots = (s->slot_bytes + s->kept_bytes) * (size_t)s->n_slots;
    return (df_stage_memory) { s->weight_bytes, slots + df_kept_bytes(s->kept), s->scratch_bytes };
}

/* Values */

/* Rows that run together: all of a batch, or a lane's. */
typedef struct part {
    int slot;
    int64_t n_rows; /* of the batch */
    int64_t first, count;
} part;

/* Where the part's rows of a value lie. Slots and kept results hold the batch; in scratch each part is by itself. */
static void *value_at(df_stage *s, const part *p, df_value_id v) {
    df_placement at = s->plan->of[v];
    if (at.region == DF_REGION_NONE) return NULL;
    if (at.region == DF_REGION_SCRATCH)
        return s->scratch + (size_t)p->first * s->plan->scratch_bytes + at.offset * (size_t)p->count;
    char *rows = at.region == DF_REGION_KEPT
                     ? s->results + (size_t)p->slot * s->kept_bytes + at.offset * (size_t)s->max_rows
                     : s->slots + (size_t)p->slot * s->slot_bytes + at.offset * (size_t)p->n_rows;
    return rows + df_stage_value_bytes(s, v, p->first);
}

static part all_rows(int slot, int64_t n_rows) {
    return (part) { slot, n_rows, 0, n_rows };
}

static bool in_range(const df_stage *s, int slot, int64_t n_rows) {
    return slot >= 0 && slot < s->n_slots && n_rows >= 1 && n_rows <= s->max_rows;
}

bool df_stage_offset(const df_stage *s, int slot, df_value_id v, int64_t n_rows, size_t *offset) {
    if (v < 0 || v >= s->cfg.graph->n_values || !in_range(s, slot, n_rows)) return false;
    *offset = (size_t)slot * s->slot_bytes + s->plan->of[v].offset * (size_t)n_rows;
    return s->plan->of[v].region == DF_REGION_SLOT;
}

void *df_stage_value(df_stage *s, int slot, df_value_id v, int64_t n_rows) {
    size_t offset;
    if (!df_stage_offset(s, slot, v, n_rows, &offset)) return NULL;
    return s->mirror ? df_mirror_value(s->mirror, slot, v) : s->slots + offset;
}

size_t df_stage_value_bytes(const df_stage *s, df_value_id v, int64_t n_rows) {
    if (v < 0 || v >= s->cfg.graph->n_values || n_rows < 0) return 0;
    const df_value *value = &s->cfg.graph->values[v];
    size_t unit = df_dtype_bytes(df_value_held_as(value, s->cfg.backend_cfg.dtype));
    return (size_t)df_shape_elements(value->shape) * unit * (size_t)n_rows;
}

static bool all_finite(const void *data, size_t n, df_dtype type) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(df_dtype_load(type, data, i))) return false;
    return true;
}

bool df_stage_all_finite(df_stage *s, int slot, df_value_id v, int64_t n_rows, int64_t *bad_row) {
    const char *data = df_stage_value(s, slot, v, n_rows);
    if (bad_row) *bad_row = 0;
    if (!data) return false;
    df_dtype type = df_value_held_as(&s->cfg.graph->values[v], s->cfg.backend_cfg.dtype);
    if (type == DF_I32) return true;
    size_t row_bytes = df_stage_value_bytes(s, v, 1);
    for (int64_t row = 0; row < n_rows; row++) {
        if (all_finite(data + (size_t)row * row_bytes, row_bytes / df_dtype_bytes(type), type)) continue;
        if (bad_row) *bad_row = row;
        return false;
    }
    return true;
}

/* Run */

static void *optional_value(df_stage *s, const part *p, df_value_id v) {
    return v == DF_NO_VALUE ? NULL : value_at(s, p, v);
}

/* lane: WHOLE, where the rows run together on all threads. */
enum { WHOLE = -1 };

static df_code run_kernel(df_stage *s, const part *p, int lane, int index, void *out, df_err *err) {
    const df_node *n = &s->cfg.graph->nodes[index];
    const df_backend *b = s->cfg.backend;
    df_kernel *k = s->kernels[index];
    const void *in[DF_NODE_MAX_IN] = { NULL };
    for (int i = 0; i < n->n_in; i++) in[i] = value_at(s, p, n->in[i]);
    const void *add_channel = optional_value(s, p, n->fused_add_channel), *residual = optional_value(s, p, n->residual);
    char *scratch = s->scratch + s->plan->scratch_bytes * (size_t)s->max_rows;
    df_code rc = lane == WHOLE ? b->node_run(k, p->count, in, add_channel, residual, out, scratch, err)
                               : b->lane_run(k, lane, p->count, in, add_channel, residual, out,
                                             scratch + (size_t)lane * s->lane_bytes, err);
    return rc && err ? node_error(s, n, err) : rc;
}

static df_code run_node(df_stage *s, const part *p, int lane, int index, void **out, df_err *err) {
    const df_node *n = &s->cfg.graph->nodes[index];
    *out = value_at(s, p, n->out);
    /* a reshape's result is its input's memory already */
    return n->op == DF_OP_RESHAPE ? DF_OK : run_kernel(s, p, lane, index, *out, err);
}

static df_code check_run(const df_stage *s, int slot, int segment, int64_t n_rows, df_err *err) {
    const df_cut *cut = s->cfg.cut;
    if (segment < 0 || segment >= cut->n_segments || cut->segments[segment].stage != s->cfg.stage)
        return df_err_set(err, DF_EINVAL, "stage %d: segment %d is not its own", s->cfg.stage, segment);
    bool there = in_range(s, slot, n_rows);
    if (!there || !s->prepared[runs_in_lanes(s, n_rows)][n_rows])
        return df_err_set(err, DF_EINVAL, "stage %d: slot %d, %lld rows: not prepared", s->cfg.stage, slot,
                          (long long)n_rows);
    return DF_OK;
}

static df_code run_part(const df_stage_pass *a, const part *p, int lane, int64_t *ns, df_stage_node_end_fn end,
                        df_err *err) {
    const df_segment *seg = &a->s->cfg.cut->segments[a->segment];
    for (int i = seg->first_node; i < seg->end_node; i++) {
        void *out;
        if (a->still && df_kept_has(a->s->kept, i)) continue;
        if (lane <= 0) tell_node(a->s, i); /* the first lane is the owner's */
        int64_t start = ns ? df_clock_ns() : 0;
        df_code rc = run_node(a->s, p, lane, i, &out, err);
        if (!rc && end) rc = end(a, i, out, err);
        if (rc) return rc;
        if (ns) ns[i] += df_clock_ns() - start;
    }
    return DF_OK;
}

df_code df_stage_run_nodes(const df_stage_pass *a, df_stage_node_end_fn end, df_err *err) {
    const part all = all_rows(a->slot, a->n_rows);
    return run_part(a, &all, WHOLE, a->ns, end, err);
}

static df_code show(const df_stage_pass *a, int node, void *out, df_err *err) {
    (void)err;
    a->s->tap(a->s->tap_ctx, &a->s->cfg.graph->nodes[node], out, a->n_rows);
    return DF_OK;
}

static void run_lane(void *arg, int lane) {
    const df_stage_pass *a = arg;
    int64_t first = a->n_rows * lane / a->s->n_lanes, end = a->n_rows * (lane + 1) / a->s->n_lanes;
    const part mine = { a->slot, a->n_rows, first, end - first };
    df_err *err = &a->s->lane_errs[lane];
    err->code = DF_OK;
    run_part(a, &mine, lane, lane ? NULL : a->ns, NULL, err); /* lanes are alike: one is timed */
}

static df_code run_lanes(const df_stage_pass *a, df_err *err) {
    df_stage *s = a->s;
    s->cfg.backend->each_lane(s->ctx, run_lane, (void *)(uintptr_t)a);
    for (int i = 0; i < s->n_lanes; i++)
        if (s->lane_errs[i].code) return df_err_set(err, s->lane_errs[i].code, "%s", s->lane_errs[i].text);
    return DF_OK;
}

static df_code enqueue(df_stage *s, int slot, int segment, int64_t n_rows, int64_t *ns, df_err *err) {
    df_code rc = s->tap ? df_stage_prepare(s, n_rows, err) : DF_OK; /* a tap may have come after the last prepare */
    if (!rc) rc = check_run(s, slot, segment, n_rows, err);
    if (!rc && s->mirror) rc = df_mirror_fetch_kept(s->mirror, s, segment, slot, n_rows, err);
    if (rc) return rc;
    bool still = df_kept_still(s->kept, s, slot, segment, n_rows) && !s->tap; /* a tap sees every node */
    const df_stage_pass a = { s, slot, segment, n_rows, still, ns };
    if (s->mirror) {
        tell_node(s, s->cfg.cut->segments[segment].first_node); /* what is replayed tells of no other */
        rc = df_stage_enqueue_pass(&a, err);
    } else {
        rc = runs_in_lanes(s, n_rows) ? run_lanes(&a, err) : df_stage_run_nodes(&a, s->tap ? show : NULL, err);
    }
    if (!rc) df_kept_done(s->kept, slot, segment, n_rows);
    return rc;
}

df_code df_stage_enqueue(df_stage *s, int slot, int segment, int64_t n_rows, df_err *err) {
    return enqueue(s, slot, segment, n_rows, NULL, err);
}

df_code df_stage_run(df_stage *s, int slot, int segment, int64_t n_rows, df_err *err) {
    df_code rc = enqueue(s, slot, segment, n_rows, NULL, err);
    return rc || !s->mirror || !df_mirror_has_down(s->mirror, segment) ? rc : df_stage_wait(s, err);
}

df_code df_stage_run_timed(df_stage *s, int slot, int segment, int64_t n_rows, int64_t *ns, df_err *err) {
    df_code rc = enqueue(s, slot, segment, n_rows, ns, err);
    return rc ? rc : df_stage_wait(s, err);
}

void df_stage_set_tap(df_stage *s, df_stage_tap_fn fn, void *ctx) {
    s->tap = fn;
    s->tap_ctx = ctx;
}

void df_stage_set_on_node(df_stage *s, df_stage_on_node_fn fn, void *ctx) {
    s->on_node = fn;
    s->on_node_ctx = ctx;
}

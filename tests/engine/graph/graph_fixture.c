#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/engine/graph/graph_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/fuse.h"
#include "tests/support/golden.h"

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

int fixture_below(fixture_rng *r, int n) {
    r->state = mix(r->state);
    return (int)(r->state % (uint64_t)n);
}

/* Uniform in -1..1 */
static double number(const char *name, int64_t row, int64_t i) {
    uint64_t h = 0;
    for (; *name; name++) h = mix(h ^ (unsigned char)*name);
    return (double)(mix(h ^ mix((uint64_t)row << 32 ^ (uint64_t)i)) >> 40) * 0x1p-23 - 1;
}

/* Random graphs: pictures of 6x4 and their tokens, 8 channels, so that most values can be joined. */

enum { H = 6, W = 4, C = 8, MOST = 128 };

typedef struct maker {
    df_graph *g;
    fixture_rng rng;
    df_value_id pictures[MOST]; /* [H][W][C] */
    int n_pictures;
    df_value_id channels; /* [C] */
    int n;
} maker;

static const char *name_of(maker *m, const char *op) {
    return df_graph_name(m->g, "%d.%s", m->n++, op);
}

/* Mostly a recent one, sometimes an old one: a skip. */
static df_value_id pick(maker *m) {
    int reach = fixture_below(&m->rng, 4) ? 3 : m->n_pictures;
    int back = 1 + fixture_below(&m->rng, reach < m->n_pictures ? reach : m->n_pictures);
    return m->pictures[m->n_pictures - back];
}

static df_conv_attr conv3(int stride) {
    return (df_conv_attr) { .kernel = 3, .stride = stride, .pad = { 1, 1, 1, 1 } };
}

static df_value_id attend(maker *m, df_value_id x) {
    df_graph *g = m->g;
    df_value_id t = df_g_reshape(g, name_of(m, "to_tokens"), x, DF_SHAPE(H * W, C));
    df_value_id n = df_g_layer_norm(g, name_of(m, "norm"), t, 1e-5);
    df_value_id q = df_g_linear(g, name_of(m, "to_q"), n, C, true);
    df_value_id y = df_g_attention(g, name_of(m, "attention"), q, n, t, 2, fixture_below(&m->rng, 2));
    y = df_g_linear(g, name_of(m, "to_out"), y, C, false);
    if (fixture_below(&m->rng, 2)) y = df_g_add(g, name_of(m, "add"), t, y);
    return df_g_reshape(g, name_of(m, "to_picture"), y, DF_SHAPE(H, W, C));
}

static df_value_id feed_forward(maker *m, df_value_id x) {
    df_graph *g = m->g;
    df_value_id y = df_g_geglu(g, name_of(m, "geglu"), df_g_linear(g, name_of(m, "ff.in"), x, 6 * C, false));
    return df_g_linear(g, name_of(m, "ff.out"), y, C, false);
}

static df_value_id resample(maker *m, df_value_id x) {
    x = df_g_conv2d(m->g, name_of(m, "down"), x, C, conv3(2));
    return df_g_upsample_nearest(m->g, name_of(m, "up"), x, H, W);
}

static df_value_id concat(maker *m, df_value_id x) {
    x = df_g_concat(m->g, name_of(m, "concat"), x, pick(m));
    return df_g_conv2d(m->g, name_of(m, "conv"), x, C, conv3(1));
}

/* A block of a diffusion transformer: modulated norm, normed heads, gated result; the modulation is cut out of one
 * vector. */
static df_value_id modulated_block(maker *m, df_value_id x) {
    df_graph *g = m->g;
    df_value_id all = df_g_linear(g, name_of(m, "modulation"), m->channels, 3 * C, false);
    df_value_id shift = df_g_slice(g, name_of(m, "shift"), all, 0, C),
                scale = df_g_slice(g, name_of(m, "by"), all, C, C);
    df_value_id t = df_g_reshape(g, name_of(m, "to_tokens"), x, DF_SHAPE(H * W, C));
    df_value_id n =
        df_g_modulate(g, name_of(m, "modulate"), df_g_layer_norm_plain(g, name_of(m, "norm"), t, 1e-6), shift, scale);
    df_value_id q =
        df_g_reshape(g, name_of(m, "heads"), df_g_linear(g, name_of(m, "to_q"), n, C, true), DF_SHAPE(H * W, 2, C / 2));
    q = df_g_reshape(g, name_of(m, "joined"), df_g_rms_norm(g, name_of(m, "norm_q"), q, 1e-6), DF_SHAPE(H * W, C));
    df_value_id y = df_g_attention_relative(g, name_of(m, "attention"), q, n, t, 2, "relative", 8, 20);
    y = df_g_gate(g, name_of(m, "gate"), y, df_g_slice(g, name_of(m, "gate_by"), all, 2 * C, C));
    y = df_g_add(g, name_of(m, "add"), t, y);
    return df_g_reshape(g, name_of(m, "to_picture"), y, DF_SHAPE(H, W, C));
}

/* Tokens of two values joined and parted again; what is left of them put where patches lie. */
static df_value_id regroup(maker *m, df_value_id x) {
    df_graph *g = m->g;
    df_value_id a = df_g_reshape(g, name_of(m, "a"), x, DF_SHAPE(H * W, C));
    df_value_id b = df_g_reshape(g, name_of(m, "b"), pick(m), DF_SHAPE(H * W, C));
    df_value_id y = df_g_concat_tokens(g, name_of(m, "concat_tokens"), a, b);
    y = df_g_slice_tokens(g, name_of(m, "slice_tokens"), y, fixture_below(&m->rng, H * W + 1), H * W);
    y = df_g_reshape(g, name_of(m, "patches"), y, DF_SHAPE(H * W / 4, 4 * C));
    return df_g_unpatchify(g, name_of(m, "unpatchify"), y, H / 2, W / 2, 2);
}

/* A product whose one factor is normed: products of products stay finite. */
static df_value_id product(maker *m, df_value_id x) {
    df_graph *g = m->g;
    df_value_id by =
        df_g_scale(g, name_of(m, "scale"), df_g_rms_norm(g, name_of(m, "rms_norm"), pick(m), 1e-6), 0.5, 1);
    x = df_g_mul(g, name_of(m, "mul"), x, by);
    return df_g_add_constant(g, name_of(m, "positions"), x, "positions", H + 3, W + 2);
}

static df_value_id step(maker *m) {
    df_graph *g = m->g;
    df_value_id x = pick(m);
    switch (fixture_below(&m->rng, 14)) {
    case 0: return df_g_conv2d(g, name_of(m, "conv"), x, C, conv3(1));
    case 1: return df_g_group_norm(g, name_of(m, "group_norm"), x, 4, 1e-5);
    case 2: return df_g_activation(g, name_of(m, "act"), x, (df_act)(1 + fixture_below(&m->rng, 5)));
    case 3: return df_g_add(g, name_of(m, "add"), x, pick(m));
    case 4: return df_g_add_channel(g, name_of(m, "channels"), x, m->channels);
    case 5: return concat(m, x);
    case 6: return attend(m, x);
    case 7: return feed_forward(m, x);
    case 8: return resample(m, x);
    case 9: return modulated_block(m, x);
    case 10: return regroup(m, x);
    case 11: return product(m, x);
    case 12:
        x = df_g_conv2d(g, name_of(m, "conv"), x, C, conv3(1));
        return df_g_add_channel(g, name_of(m, "channels"), x, m->channels);
    default: x = df_g_conv2d(g, name_of(m, "conv"), x, C, conv3(1)); return df_g_add(g, name_of(m, "add"), x, pick(m));
    }
}

static void start(maker *m) {
    df_graph *g = m->g;
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(H, W, 3));
    df_value_id t = df_graph_input(g, "t", DF_F64, DF_SHAPE(1));
    df_timestep_attr a = { .dim = 6, .max_period = 10000, .scale = 1 };
    t = df_g_timestep_embedding(g, "time", t, a);
    m->channels = df_g_activation(g, "time.act", df_g_linear(g, "time.linear", t, C, false), DF_ACT_SILU);
    m->pictures[m->n_pictures++] = df_graph_input(g, "picture", DF_F32, DF_SHAPE(H, W, C));
    m->pictures[m->n_pictures++] = df_g_conv2d(g, "conv_in", x, C, conv3(1));
}

df_graph *fixture_random_graph(uint64_t seed) {
    maker m = { .g = df_graph_new("random"), .rng = { mix(seed) } };
    df_err err = { 0 };
    start(&m);
    int steps = 3 + fixture_below(&m.rng, 25);
    for (int i = 0; i < steps; i++) {
        df_value_id made = step(&m);
        m.pictures[m.n_pictures++] = made;
    }
    df_graph_output(m.g, "out", m.pictures[m.n_pictures - 1]);
    if (fixture_below(&m.rng, 2)) df_graph_output(m.g, "early", pick(&m));
    if (!fixture_below(&m.rng, 4)) df_graph_output(m.g, "passed", m.pictures[0]);
    if (df_graph_finish(m.g, &err)) fail_msg("random graph %llu: %s", (unsigned long long)seed, err.text);
    return m.g;
}

/* Stages */

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

int *fixture_random_stages(const df_graph *g, uint64_t seed, int n_stages, int kind) {
    fixture_rng rng = { mix(seed ^ 77) };
    int *stage_of = calloc((size_t)g->n_nodes + 1, sizeof *stage_of), borders[16] = { 0 };
    int slices = kind == 1 ? 2 * n_stages - 1 : n_stages;
    for (int i = 0; i < slices - 1; i++) borders[i] = fixture_below(&rng, g->n_nodes + 1);
    qsort(borders, (size_t)(slices - 1), sizeof *borders, by_number);
    for (int i = 0, slice = 0; i < g->n_nodes; i++) {
        while (slice < slices - 1 && i >= borders[slice]) slice++;
        stage_of[i] = slice < n_stages ? slice : 2 * (n_stages - 1) - slice;
        if (kind == 2) stage_of[i] = fixture_below(&rng, n_stages);
    }
    return stage_of;
}

/* Weights */

static float *weight_data(const df_weight *w) {
    int64_t n = df_shape_elements(w->shape);
    double fan_in = w->shape.rank == 1 ? 1 : (double)(n / w->shape.dim[0]);
    float *data = malloc((size_t)n * sizeof *data);
    for (int64_t i = 0; i < n; i++) data[i] = (float)(number(w->name, 0, i) * 1.7 / sqrt(fan_in));
    return data;
}

df_weights *fixture_weights(const df_graph *g, const df_cut *cut, int stage) {
    df_err err = { 0 };
    char path[512];
    static const char *dir; /* one for all: a file that is replaced stays mapped where it is open */
    if (!dir) dir = golden_temp_dir();
    df_safetensors_writer *writer = df_safetensors_writer_new();
    float **data = calloc((size_t)g->n_weights + 1, sizeof(float *));
    df_code rc = DF_OK;
    for (df_weight_id w = 0; w < g->n_weights && !rc; w++) {
        if (cut && !df_cut_has_weight(cut, g, stage, w)) continue;
        const df_weight *weight = &g->weights[w];
        data[w] = weight_data(weight);
        rc = df_safetensors_writer_add(writer, weight->name, DF_F32, weight->shape.dim, weight->shape.rank, data[w],
                                       &err);
    }
    snprintf(path, sizeof path, "%s/w.safetensors", dir);
    if (!rc) rc = df_safetensors_writer_write(writer, path, &err);
    df_safetensors_writer_free(&writer);
    for (df_weight_id w = 0; w < g->n_weights; w++) free(data[w]);
    free(data);
    df_weights *weights = NULL;
    if (!rc) rc = df_weights_open(&weights, dir, "w", &err);
    if (rc) fail_msg("weights: %s", err.text);
    return weights;
}

/* Running */

void fixture_fill_input(const df_graph *g, int input, int64_t first_row, int64_t n_rows, df_dtype activation,
                        void *data) {
    const df_value *value = &g->values[g->inputs[input].value];
    int64_t n = df_shape_elements(value->shape);
    for (int64_t i = 0; i < n * n_rows; i++) {
        float x = (float)(number(g->inputs[input].name, first_row + i / n, i % n) * (n == 1 ? 500 : 1));
        df_dtype_store(df_value_held_as(value, activation), data, (size_t)i, (double)x);
    }
}

df_stage *fixture_stage(const fixture_run *run, int stage, int n_slots) {
    df_err err = { 0 };
    df_weights *own = run->weights ? NULL : fixture_weights(run->g, run->cut, stage);
    df_stage *s = NULL;
    df_stage_cfg cfg = {
        .graph = run->g,
        .cut = run->cut,
        .stage = stage,
        .weights = own ? own : run->weights,
        .backend = run->backend ? run->backend : &df_backend_reference,
        .backend_cfg = { .dtype = run->dtype, .threads = run->threads ? run->threads : 1, .int8 = run->int8 },
        .packed_dir = run->packed_dir,
        .packed_key = run->g->name
    };
    if (df_stage_open(&s, &cfg, &err) || df_stage_reserve(s, run->n_rows, n_slots, &err))
        fail_msg("stage %d: %s", stage, err.text);
    df_weights_close(&own);
    return s;
}

void fixture_copy_edges(const fixture_run *run, df_stage *const *stages, int slot, int to_segment) {
    for (int i = 0; i < run->cut->n_edges; i++) {
        const df_edge *e = &run->cut->edges[i];
        if (e->to_segment != to_segment) continue;
        void *to = df_stage_value(stages[e->to_stage], slot, e->value, run->n_rows);
        const void *from = df_stage_value(stages[e->from_stage], slot, e->value, run->n_rows);
        if (!to || !from) fail_msg("'%s' is not in the slot", run->g->values[e->value].name);
        memcpy(to, from, df_stage_value_bytes(stages[e->to_stage], e->value, run->n_rows));
    }
}

static void run_segments(const fixture_run *run, df_stage *const *stages) {
    df_err err = { 0 };
    for (int i = 0; i < run->g->n_inputs; i++)
        fixture_fill_input(run->g, i, run->first_row, run->n_rows, run->dtype,
                           df_stage_value(stages[0], 0, run->g->inputs[i].value, run->n_rows));
    for (int s = 0; s <= run->cut->n_segments; s++) {
        fixture_copy_edges(run, stages, 0, s);
        if (s == run->cut->n_segments) break;
        if (df_stage_run(stages[run->cut->segments[s].stage], 0, s, run->n_rows, &err)) fail_msg("%s", err.text);
    }
}

void *fixture_outputs(const fixture_run *run, size_t *bytes) {
    df_stage *stages[16] = { NULL };
    for (int s = 0; s < run->cut->n_stages; s++) stages[s] = fixture_stage(run, s, 1);
    run_segments(run, stages);
    *bytes = 0;
    for (int i = 0; i < run->g->n_outputs; i++)
        *bytes += df_stage_value_bytes(stages[0], run->g->outputs[i].value, run->n_rows);
    char *out = malloc(*bytes), *to = out;
    for (int i = 0; i < run->g->n_outputs; i++) {
        size_t n = df_stage_value_bytes(stages[0], run->g->outputs[i].value, run->n_rows);
        memcpy(to, df_stage_value(stages[0], 0, run->g->outputs[i].value, run->n_rows), n);
        to += n;
    }
    for (int s = 0; s < run->cut->n_stages; s++) df_stage_close(&stages[s]);
    return out;
}

df_graph *fixture_fused_graph(uint64_t seed) {
    df_graph *g = fixture_random_graph(seed);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
    return g;
}

df_graph *fixture_cross_attention(void) {
    df_graph *g = df_graph_new("cross");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8)), c = df_graph_input(g, "c", DF_F32, DF_SHAPE(3, 6));
    df_graph_keep(g, c);
    df_value_id q = df_g_linear(g, "first", x, 8, false), k = df_g_linear(g, "k", c, 8, false);
    df_value_id v = df_g_linear(g, "v", c, 8, false);
    df_value_id y = df_g_attention(g, "y", q, k, v, 2, false);
    df_graph_output(g, "out", df_g_linear(g, "last", y, 8, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    return g;
}

df_cut *fixture_random_cut(const df_graph *g, uint64_t seed, int n_stages, int kind) {
    df_cut *cut = NULL;
    int *stage_of = fixture_random_stages(g, seed, n_stages, kind);
    assert_int_equal(df_cut_new(&cut, g, stage_of, n_stages, NULL), DF_OK);
    free(stage_of);
    return cut;
}

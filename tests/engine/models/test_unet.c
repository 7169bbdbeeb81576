/* The U-Net against the golden models: whole forwards, sides that do not halve evenly, and what goes on inside. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/models/component.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 3e-5;

typedef struct bench {
    golden *g;
    df_model *m;
    component c;
} bench;

/* The U-Net for the latents of golden tensor `sample`. */
static bench bench_open(const char *name, const char *sample, const backend_case *b) {
    bench o = { .g = golden_open(name) };
    df_err err;
    if (df_model_open(&o.m, model_folder_new(name), &err)) fail_msg("%s", err.text);
    const df_tensor_view *t = golden_view(o.g, sample);
    o.c = component_open(o.m, DF_UNET, (int)t->dim[2], (int)t->dim[3], b, t->dim[0]);
    return o;
}

static void bench_close(bench *b) {
    component_close(&b->c);
    df_model_close(&b->m);
    golden_close(&b->g);
}

static void run(bench *b, const char *sample, float timestep) {
    float *x = golden_f32(b->g, sample, NULL), *text = golden_f32(b->g, "unet.encoder_hidden_states", NULL);
    float t[2] = { timestep, timestep };
    assert_true(b->c.n <= 2);
    component_set(&b->c, "sample", x);
    component_set(&b->c, "timestep", t);
    component_set(&b->c, "encoder_hidden_states", text);
    component_run(&b->c);
    free(x);
    free(text);
}

static void compare_out(bench *b, const char *name) {
    size_t n;
    float *out = component_get(&b->c, "out", &n);
    golden_compare(b->g, name, out, n, tolerance);
    free(out);
}

static void check_forwards(const char *name, const backend_case *backend) {
    static const float timesteps[] = { 981, 500, 1 };
    bench b = bench_open(name, "unet.sample", backend);
    for (size_t i = 0; i < 3; i++) {
        char out[32];
        snprintf(out, sizeof out, "unet.out.t%g", (double)timesteps[i]);
        run(&b, "unet.sample", timesteps[i]);
        compare_out(&b, out);
    }
    bench_close(&b);
}

static void test_sd15(void **state) {
    check_forwards("sd15", *state);
}

static void test_sd2(void **state) { /* linear projections, heads per level */
    check_forwards("sd2", *state);
}

/* Such as 10x14 latents: 5x7 and 3x4 below, so the way up must follow the skips. */
static void check_odd(const char *name, const backend_case *backend) {
    bench b = bench_open(name, "unet.odd.sample", backend);
    run(&b, "unet.odd.sample", 321);
    compare_out(&b, "unet.odd.out");
    bench_close(&b);
}

static void test_odd_sd15(void **state) {
    check_odd("sd15", *state);
}

static void test_odd_sd2(void **state) {
    check_odd("sd2", *state);
}

/* An inner value of the golden, and the fused graph's nodes that give it: node, less `minus` where a residual was
 * folded in; silu where the activation was. */
typedef struct inner {
    const char *golden, *node, *minus;
    bool silu;
} inner;

#define TB "down_blocks.0.attentions.0.transformer_blocks.0."
static const inner inner_values[] = {
    { "time_embedding", "time_embedding.linear_2", NULL, true },
    { "conv_in", "conv_in", NULL, false },
    { "down_blocks.0.resnets.0", "down_blocks.0.resnets.0.conv2", NULL, false },
    { TB "attn1", TB "attn1.to_out.0", "down_blocks.0.attentions.0.proj_in", false },
    { TB "attn2", TB "attn2.to_out.0", TB "attn1.to_out.0", false },
    { TB "ff", TB "ff.net.2", TB "attn2.to_out.0", false },
    { "down_blocks.0.attentions.0", "down_blocks.0.attentions.0.proj_out", NULL, false },
    { "down_blocks.0.downsamplers.0", "down_blocks.0.downsamplers.0.conv", NULL, false },
    { "down_blocks.0", "down_blocks.0.downsamplers.0.conv", NULL, false },
    { "down_blocks.1", "down_blocks.1.downsamplers.0.conv", NULL, false },
    { "down_blocks.2", "down_blocks.2.resnets.1.conv2", NULL, false },
    { "mid_block", "mid_block.resnets.1.conv2", NULL, false },
    { "up_blocks.0", "up_blocks.0.upsamplers.0.conv", NULL, false },
    { "up_blocks.1", "up_blocks.1.upsamplers.0.conv", NULL, false },
    { "up_blocks.2", "up_blocks.2.attentions.2.proj_out", NULL, false },
    { "conv_norm_out", "conv_norm_out", NULL, true },
};
enum { N_INNER = sizeof inner_values / sizeof inner_values[0] };

typedef struct tap {
    const component *c;
    float *node[N_INNER], *minus[N_INNER]; /* the first row of each, as it lies in the stage */
    df_shape shape[N_INNER];
} tap;

static float *first_row(const component *c, const void *out, const df_shape *shape) {
    df_shape flat = DF_SHAPE(df_shape_elements(*shape));
    float *x = malloc(sizeof *x * (size_t)flat.dim[0]);
    if (!x) fail_msg("out of memory");
    component_row(x, out, &flat, c->dtype);
    return x;
}

static void on_node(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    tap *t = ctx;
    (void)n_rows;
    for (int i = 0; i < N_INNER; i++) {
        const inner *v = &inner_values[i];
        df_shape shape = df_graph_shape(t->c->graph, node->out);
        if (strcmp(v->node, node->name) == 0) {
            t->node[i] = first_row(t->c, out, &shape);
            t->shape[i] = shape;
        }
        if (v->minus && strcmp(v->minus, node->name) == 0) t->minus[i] = first_row(t->c, out, &shape);
    }
}

static void compare_inner(const golden *g, const tap *t, int i) {
    const inner *v = &inner_values[i];
    char name[128];
    snprintf(name, sizeof name, "unet.act.t500.%s", v->golden);
    if (!t->node[i] || (v->minus && !t->minus[i])) fail_msg("%s: the graph has no such value", name);
    size_t n;
    float *ref = golden_f32(g, name, &n), *got = malloc(sizeof *got * n);
    assert_non_null(got);
    assert_int_equal(n, df_shape_elements(t->shape[i]));
    for (size_t k = 0; v->minus && k < n; k++) t->node[i][k] -= t->minus[i][k];
    for (size_t k = 0; v->silu && k < n; k++) ref[k] = (float)(ref[k] / (1 + exp(-(double)ref[k])));
    component_row(got, t->node[i], &t->shape[i], DF_F32);
    golden_compare_f32(name, got, ref, n, golden_bound(g, name, tolerance));
    free(got);
    free(ref);
}

static void test_inside(void **state) {
    bench b = bench_open("sd15", "unet.sample", *state);
    tap t = { .c = &b.c };
    df_stage_set_tap(b.c.stage, on_node, &t);
    run(&b, "unet.sample", 500);
    for (int i = 0; i < N_INNER; i++) {
        compare_inner(b.g, &t, i);
        free(t.node[i]);
        free(t.minus[i]);
    }
    bench_close(&b);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "sd15 reference", test_sd15, NULL, NULL, &f32 },
        { "sd15 reference f64", test_sd15, NULL, NULL, &f64 },
        { "sd15 cpu", test_sd15, NULL, NULL, &cpu },
        { "sd2 reference", test_sd2, NULL, NULL, &f32 },
        { "sd2 cpu", test_sd2, NULL, NULL, &cpu },
        { "odd size reference", test_odd_sd15, NULL, NULL, &f32 },
        { "odd size cpu", test_odd_sd15, NULL, NULL, &cpu },
        { "inside reference", test_inside, NULL, NULL, &f32 },
        { "sd2 odd size reference", test_odd_sd2, NULL, NULL, &f32 },
        { "sd2 odd size cpu", test_odd_sd2, NULL, NULL, &cpu },
        { "inside cpu", test_inside, NULL, NULL, &cpu },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

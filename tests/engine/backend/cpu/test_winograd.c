/* Winograd convolution: which layers take it, how far it is from the exact result and from a direct convolution, and
 * that its bytes depend on nothing but the row. The table of op_cases.c has the shapes at the edges. */
#include "tests/engine/backend/cpu/run_graph.h"

#include "engine/backend/cpu/winograd.h"

typedef struct layer {
    int64_t h, w, ic, oc;
    int zoom, kernel, stride;
} layer;

static df_graph *graph_of(const layer *l) {
    df_err err = { 0 };
    df_graph *g = df_graph_new("conv");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(l->h, l->w, l->ic));
    int pad = l->kernel / 2;
    df_conv_attr a = { .kernel = l->kernel, .stride = l->stride, .pad = { pad, pad, pad, pad } };
    if (l->zoom == 2) x = df_g_upsample_nearest(g, "up", x, 2 * l->h, 2 * l->w);
    df_graph_output(g, "out", df_g_conv2d(g, "conv", x, l->oc, a));
    test_check(df_graph_finish(g, &err), &err);
    test_check(df_graph_fuse(g, &err), &err);
    assert_int_equal(g->n_nodes, 1);
    return g;
}

typedef struct setting {
    const char *simd;
    df_dtype dtype;
    bool fast_conv;
} setting;

static int m_of(const df_graph *g, const setting *how) {
    df_cpu_ctx ctx = { .dtype = how->dtype,
                       .unit = df_dtype_bytes(how->dtype),
                       .simd = df_simd_find(how->simd, how->dtype),
                       .fast_conv = how->fast_conv };
    return df_winograd_m(&(df_kernel) { .ctx = &ctx, .g = g, .node = &g->nodes[0] });
}

static bool runs_here(const setting *how) {
    return df_simd_find(how->simd, how->dtype) && test_computes_in(how->dtype);
}

static void test_rule(void **state) {
    (void)state;
    static const setting f32 = { "avx512", DF_F32, false }, bf16 = { "avx512bf16", DF_BF16, false },
                         fast = { "avx512bf16", DF_BF16, true };
    static const struct {
        layer l;
        int f32, fast;
    } cases[] = {
        { { 64, 64, 320, 320, 1, 3, 1 }, 4, 2 }, /* SD 1.5 */
        { { 16, 16, 1280, 1280, 1, 3, 1 }, 2, 2 }, /* tiles of 4 would not fit a cache, for 16 of them */
        { { 32, 32, 640, 640, 2, 3, 1 }, 4, 0 }, /* doubled: 2 is what folding gives too */
        { { 16, 16, 1280, 1280, 2, 3, 1 }, 0, 0 },
        { { 16, 16, 64, 64, 1, 3, 1 }, 4, 2 }, /* starter */
        { { 4, 4, 192, 192, 1, 3, 1 }, 4, 2 },
        { { 2, 2, 192, 192, 1, 3, 1 }, 0, 0 }, /* 16 taps, all in all */
        { { 1, 1, 192, 192, 1, 3, 1 }, 0, 0 },
        { { 64, 64, 4, 320, 1, 3, 1 }, 0, 0 }, /* conv_in and conv_out: empty lanes */
        { { 64, 64, 320, 4, 1, 3, 1 }, 0, 0 },
        { { 64, 64, 320, 320, 1, 3, 2 }, 0, 0 },
        { { 64, 64, 320, 320, 1, 1, 1 }, 0, 0 },
        { { 64, 64, 320, 320, 1, 5, 1 }, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_graph *g = graph_of(&cases[i].l);
        if (runs_here(&f32)) assert_int_equal(m_of(g, &f32), cases[i].f32);
        if (runs_here(&bf16)) assert_int_equal(m_of(g, &bf16), 0);
        if (runs_here(&fast)) assert_int_equal(m_of(g, &fast), cases[i].fast);
        g->nodes[0].int8 = (df_int8) { 0.01f, 128 };
        if (runs_here(&fast)) assert_int_equal(m_of(g, &fast), 0);
        df_graph_free(&g);
    }
}

/* What docs/numerics.md says. Of the rms of the exact result; `direct`: how many times the error of a direct one. */
typedef struct bound {
    setting how;
    layer l;
    int m;
    double rms, worst, direct;
} bound;

static const bound bounds[] = {
    { { "avx512", DF_F32, false }, { 16, 16, 320, 64, 1, 3, 1 }, 4, 1.5e-6, 4e-6, 2.5 },
    { { "avx512", DF_F32, false }, { 8, 8, 512, 512, 1, 3, 1 }, 2, 8e-7, 1e-6, 1.1 },
    { { "avx2", DF_F32, false }, { 16, 16, 320, 64, 1, 3, 1 }, 4, 1.5e-6, 4e-6, 2.5 },
    { { "avx2", DF_F32, false }, { 8, 8, 512, 512, 1, 3, 1 }, 2, 8e-7, 1e-6, 1.1 },
    { { "avx512", DF_F32, false }, { 16, 16, 320, 64, 2, 3, 1 }, 4, 1.5e-6, 4e-6, 4 },
    { { "avx512bf16", DF_BF16, true }, { 16, 16, 320, 64, 1, 3, 1 }, 2, 5e-3, 5e-3, 3 },
    { { "avx512bf16", DF_BF16, true }, { 8, 8, 512, 512, 1, 3, 1 }, 2, 5e-3, 5e-3, 3 },
};

static void check_bound(const bound *b) {
    df_graph *g = graph_of(&b->l);
    int64_t n = df_shape_elements(df_graph_shape(g, g->nodes[0].out));
    run_cfg reference = { .backend = &df_backend_reference, .dtype = DF_F64, .given = b->how.dtype, .threads = 2 };
    run_cfg own = { .backend = &df_backend_cpu,
                    .dtype = b->how.dtype,
                    .given = b->how.dtype,
                    .threads = 2,
                    .simd = b->how.simd,
                    .fast_conv = b->how.fast_conv };
    run_cfg direct = own;
    direct.direct = true;
    double *exact = run_graph(g, &reference, 1);
    void *y = run_graph(g, &own, 1), *z = run_graph(g, &direct, 1);
    test_error e = compare(y, b->how.dtype, exact, n), d = compare(z, b->how.dtype, exact, n);
    assert_int_equal(m_of(g, &b->how), b->m);
    print_message("%s %s m=%d: rms %.2e, worst %.2e; direct: rms %.2e, worst %.2e\n", b->how.simd,
                  df_dtype_name(b->how.dtype), b->m, e.rms, e.worst, d.rms, d.worst);
    if (!(e.rms < b->rms && e.worst < b->worst && e.rms < b->direct * d.rms))
        fail_msg("rms %.2e of %.2e, worst %.2e of %.2e, direct %.2e", e.rms, b->rms, e.worst, b->worst, d.rms);
    free(exact);
    free(y);
    free(z);
    df_graph_free(&g);
}

static void test_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (runs_here(&bounds[i].how)) check_bound(&bounds[i]);
}

/* Of every instruction set; test_ops.c knows the best one only. */
static void test_bytes(void **state) {
    (void)state;
    static const int threads[] = { 1, 2, 4 };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const bound *b = &bounds[i];
        if (!runs_here(&b->how)) continue;
        df_graph *g = graph_of(&b->l);
        size_t row = (size_t)df_shape_elements(df_graph_shape(g, g->nodes[0].out)) * df_dtype_bytes(b->how.dtype);
        run_cfg cfg = { .backend = &df_backend_cpu,
                        .dtype = b->how.dtype,
                        .threads = 1,
                        .simd = b->how.simd,
                        .fast_conv = b->how.fast_conv };
        char *all = run_graph(g, &cfg, 5);
        for (int64_t n = 1; n <= 5; n += 2)
            for (size_t t = 0; t < 3; t++) {
                cfg.threads = threads[t];
                char *y = run_graph(g, &cfg, n);
                assert_memory_equal(y, all, row * (size_t)n);
                free(y);
            }
        free(all);
        df_graph_free(&g);
    }
}

/* Tiles of 4 hold 36 numbers of a kernel's 9. */
static void test_weight_bytes(void **state) {
    (void)state;
    df_graph *g = graph_of(&(layer) { 64, 64, 320, 640, 1, 3, 1 });
    const size_t kernels = 320 * 640;
    const df_backend_cfg f32 = { .dtype = DF_F32, .threads = 1 }, bf16 = { .dtype = DF_BF16, .threads = 1 };
    size_t bytes;
    df_backend_weight_bytes(&df_backend_reference, &f32, g, &bytes);
    assert_int_equal(bytes, (9 * kernels + 640) * 4);
    df_backend_weight_bytes(&df_backend_reference, &bf16, g, &bytes); /* it has none: as the model holds them */
    assert_int_equal(bytes, (9 * kernels + 640) * 2);
    df_backend_weight_bytes(&df_backend_cpu, &f32, g, &bytes);
    if (df_simd_find("avx512", DF_F32)) assert_int_equal(bytes, 36 * kernels * 4);
    df_backend_weight_bytes(&df_backend_cpu, &bf16, g, &bytes);
    if (test_computes_in(DF_BF16)) assert_int_equal(bytes, 9 * kernels * 2 + 640 * 4);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rule), cmocka_unit_test(test_bounds),
                                        cmocka_unit_test(test_bytes), cmocka_unit_test(test_weight_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

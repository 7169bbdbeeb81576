/* The promise: a row's bytes depend neither on the batch nor on the number of threads, nor on the way a product runs;
 * and every one of them is right. */
#include "engine/backend/cpu/invariance.h"
#include "tests/engine/backend/cpu/run_graph.h"

typedef struct conv_case {
    int64_t size, ic, oc;
    int kernel, stride;
} conv_case;

/* SD 1.5 (its largest pictures cut down), the starter model, its decoder, and the small golden models. */
static const conv_case convs[] = {
    { 32, 4, 320, 3, 1 },   { 32, 320, 4, 3, 1 }, { 16, 320, 320, 3, 2 }, { 8, 640, 640, 3, 1 }, { 4, 1280, 640, 3, 1 },
    { 16, 320, 640, 1, 1 }, { 16, 4, 64, 3, 1 },  { 16, 64, 64, 3, 1 },   { 16, 64, 64, 3, 2 },  { 8, 192, 128, 3, 1 },
    { 4, 192, 192, 3, 1 },  { 16, 64, 4, 3, 1 },  { 16, 192, 64, 1, 1 },  { 32, 96, 64, 3, 1 },  { 64, 32, 3, 3, 1 },
    { 16, 32, 32, 3, 1 },   { 8, 80, 48, 3, 1 },  { 4, 48, 48, 3, 1 },    { 16, 32, 48, 1, 1 },  { 16, 8, 24, 3, 1 },
    { 64, 3, 8, 3, 1 },     { 17, 32, 48, 3, 2 },
};

typedef struct linear_case {
    int64_t tokens, in, out;
} linear_case;

static const linear_case linears[] = {
    { 1, 320, 1280 }, { 1, 1280, 1280 }, { 256, 320, 320 }, { 64, 640, 1280 }, { 77, 768, 768 },  { 1, 64, 256 },
    { 1, 256, 192 },  { 256, 64, 512 },  { 256, 256, 64 },  { 64, 128, 1024 }, { 16, 192, 1536 }, { 77, 128, 512 },
    { 256, 32, 256 }, { 48, 48, 48 },    { 77, 32, 64 },    { 77, 40, 40 },    { 1, 32, 128 },
};

/* Everything that can be fused behind it. */
static df_graph *finish(df_graph *g, df_value_id y, int variant) {
    int64_t c = df_graph_shape(g, y).dim[df_graph_shape(g, y).rank - 1];
    if (variant & 1) y = df_g_add_channel(g, "channel", y, df_graph_input(g, "v", DF_F32, DF_SHAPE(c)));
    if (variant & 2) y = df_g_activation(g, "act", y, DF_ACT_SILU);
    if (variant & 4) y = df_g_add(g, "sum", y, df_graph_input(g, "residual", DF_F32, df_graph_shape(g, y)));
    df_graph_output(g, "out", y);
    df_err err = { 0 };
    test_check(df_graph_finish(g, &err), &err);
    test_check(df_graph_fuse(g, &err), &err);
    assert_int_equal(g->n_nodes, 1);
    return g;
}

static df_graph *conv_graph(const conv_case *c, int variant) {
    df_graph *g = df_graph_new("conv");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(c->size, c->size, c->ic));
    int pad = c->kernel / 2;
    df_conv_attr a = { .kernel = c->kernel, .stride = c->stride, .pad = { pad, pad, pad, pad } };
    if (c->stride == 2 && c->ic == c->oc) a.pad.top = a.pad.left = 0; /* the encoder's downsampler */
    return finish(g, df_g_conv2d(g, "conv", x, c->oc, a), variant);
}

static df_graph *linear_graph(const linear_case *c, int variant) {
    df_graph *g = df_graph_new("linear");
    df_value_id x = df_graph_input(g, "x", DF_F32, c->tokens > 1 ? DF_SHAPE(c->tokens, c->in) : DF_SHAPE(c->in));
    return finish(g, df_g_linear(g, "linear", x, c->out, variant == 0), variant);
}

static int64_t out_elements(const df_graph *g) {
    return df_shape_elements(df_graph_shape(g, df_graph_find_output(g, "out")));
}

/* Rows of n_rows, with `cfg`, against the same rows of `all` [8][row]. */
static void check_rows(const df_graph *g, const run_cfg *cfg, int64_t n_rows, const void *all, const char *what) {
    void *y = run_graph(g, cfg, n_rows);
    if (memcmp(y, all, (size_t)(n_rows * out_elements(g)) * df_dtype_bytes(cfg->dtype)))
        fail_msg("%s in %s: %lld rows on %d threads, way %d, over residual %d: other bytes", what,
                 df_dtype_name(cfg->dtype), (long long)n_rows, cfg->threads, cfg->way, cfg->over_residual);
    free(y);
}

static void check_right(const df_graph *g, const void *y, df_dtype dtype, const char *what) {
    run_cfg reference = { .backend = &df_backend_reference, .dtype = DF_F64, .given = dtype, .threads = 2 };
    /* of the largest element; in bf16 a result may be rounded twice, see test_ops.c */
    test_error limit = dtype == DF_BF16 ? (test_error) { 0x1p-8, 0x1p-7 } : (test_error) { 1e-6, 4e-6 };
    double *ref = run_graph(g, &reference, 1);
    test_error e = compare(y, dtype, ref, out_elements(g));
    if (!(e.rms < limit.rms && e.worst < limit.worst))
        fail_msg("%s in %s: rms %.2e, worst %.2e", what, df_dtype_name(dtype), e.rms, e.worst);
    free(ref);
}

static const df_dtype types[] = { DF_F32, DF_BF16 };
static int n_types; /* that this machine computes in */

static run_cfg base(df_dtype dtype) {
    return (run_cfg) { .backend = &df_backend_cpu,
                       .dtype = dtype,
                       .given = dtype,
                       .threads = 1,
                       .way = DF_PRODUCT_STRIPS,
                       .direct = true };
}

/* All ways, batches and numbers of threads against rows computed one way; fewer of them for large graphs. */
static void check_all_in(const df_graph *g, df_dtype dtype, bool thorough, const char *what) {
    run_cfg first = base(dtype), loop = first;
    void *all = run_graph(g, &first, 8);
    check_right(g, all, dtype, what);
    static const int threads[] = { 1, 2, 4 };
    static const df_product_way ways[] = { DF_PRODUCT_AUTO, DF_PRODUCT_STRIPS, DF_PRODUCT_BATCH };
    for (int64_t n = 1; n <= 8; n += thorough ? 1 : n + 1) /* 1 to 8, or 1, 3, 7 */
        for (size_t t = 0; t < 3; t++)
            for (size_t w = 0; w < (thorough ? 3 : 1); w++) {
                run_cfg cfg = first;
                cfg.threads = threads[t];
                cfg.way = thorough ? ways[w] : n % 2 ? DF_PRODUCT_BATCH : DF_PRODUCT_AUTO;
                cfg.over_residual = n % 2;
                check_rows(g, &cfg, n, all, what);
            }
    loop.threads = 2;
    loop.way = DF_PRODUCT_LOOP;
    check_rows(g, &loop, 3, all, what);
    free(all);
}

static void check_all(const df_graph *g, bool thorough, const char *what) {
    for (int t = 0; t < n_types; t++) check_all_in(g, types[t], thorough, what);
}

static double flops(const df_graph *g) {
    return 2.0 * (double)out_elements(g) * (double)df_shape_elements(g->weights[0].shape) /
           (double)g->weights[0].shape.dim[0];
}

/* What is compared are ways that differ: nearly all products ran in the way that they were told to. */
static void expect_ways(void) {
    print_message("%d products in the way asked for, %d in another\n", test_ways[true], test_ways[false]);
    assert_true(test_ways[true] > 10 * test_ways[false]);
    test_ways[true] = test_ways[false] = 0;
}

static void test_convs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        const conv_case *c = &convs[i];
        char what[96];
        snprintf(what, sizeof what, "conv%d %lld>%lld at %lld", c->kernel, (long long)c->ic, (long long)c->oc,
                 (long long)c->size);
        df_graph *g = conv_graph(c, (int)i % 8);
        check_all(g, flops(g) < 2e7, what);
        df_graph_free(&g);
    }
    expect_ways();
}

static void test_linears(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        const linear_case *c = &linears[i];
        char what[96];
        snprintf(what, sizeof what, "linear %lld x %lld>%lld", (long long)c->tokens, (long long)c->in,
                 (long long)c->out);
        df_graph *g = linear_graph(c, (int)i % 8);
        check_all(g, flops(g) < 1e7, what);
        df_graph_free(&g);
    }
    expect_ways();
}

/* Every set of fused parts, result on the residual or not. */
static void test_epilogues(void **state) {
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        df_graph *g = conv_graph(&(conv_case) { 16, 32, 48, 3, 1 }, variant);
        check_all(g, true, "epilogue of a conv");
        df_graph_free(&g);
        g = linear_graph(&(linear_case) { 20, 36, 44 }, variant);
        check_all(g, true, "epilogue of a linear");
        df_graph_free(&g);
    }
}

/* Shapes that are cut into strips, with every padding and stride a strip may meet. */
static void test_strips(void **state) {
    (void)state;
    static const conv_case cases[] = { { 66, 96, 128, 3, 1 }, { 65, 128, 256, 3, 2 }, { 64, 128, 256, 3, 2 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int variant = 0; variant < 8; variant += 5) {
            df_graph *g = conv_graph(&cases[i], variant);
            run_cfg cfg = base(types[(int)i % 2 == variant % 2 ? 0 : n_types - 1]);
            void *all = run_graph(g, &cfg, 3);
            check_right(g, all, cfg.dtype, "strips");
            for (int threads = 1; threads <= 3; threads++) {
                cfg.threads = threads;
                cfg.way = DF_PRODUCT_AUTO;
                cfg.over_residual = threads == 2;
                check_rows(g, &cfg, threads, all, "strips");
            }
            free(all);
            df_graph_free(&g);
        }
}

static df_product_shape shape_of_trial(df_dtype dtype) {
    return (df_product_shape) { .ih = 9,
                                .iw = 9,
                                .ic = 24,
                                .oh = 9,
                                .ow = 9,
                                .oc = 40,
                                .kernel = 3,
                                .stride = 1,
                                .top = 1,
                                .left = 1,
                                .bottom = 1,
                                .right = 1,
                                .bias = 1,
                                .sum = 1,
                                .dtype = dtype };
}

/* The check can say no: a picture padded elsewhere has other sums. */
static void test_check_notices(void **state) {
    (void)state;
    for (int t = 0; t < n_types; t++) {
        df_err err = { 0 };
        df_cpu_ctx *ctx = NULL;
        test_check(df_cpu_ctx_open(&ctx, &(df_backend_cfg) { .dtype = types[t], .threads = 2 }, &err), &err);
        df_product_shape s = shape_of_trial(types[t]), moved = s;
        moved.top = 0;
        moved.bottom = 2;
        df_prim *canonical = NULL, *equal = NULL, *other = NULL;
        test_check(df_prim_open(&canonical, ctx, &s, 1, 1, NULL, &err), &err);
        test_check(df_prim_open(&equal, ctx, &s, 3, 2, NULL, &err), &err);
        test_check(df_prim_open(&other, ctx, &moved, 2, 2, NULL, &err), &err);
        bool same = false;
        for (int again = 0; again < 2; again++) { /* the second answer is a remembered one */
            test_check(df_invariance_check(&same, ctx, canonical, equal, &err), &err);
            assert_true(same);
            test_check(df_invariance_check(&same, ctx, canonical, other, &err), &err);
            assert_false(same);
        }
        df_prim_close(&canonical);
        df_prim_close(&equal);
        df_prim_close(&other);
        df_cpu_ctx_close(&ctx);
    }
}

/* p, run by the library's next implementation of the same convolution; false: there is none. */
static bool next_implementation(df_prim *next, const df_cpu_ctx *ctx, const df_prim *p) {
    const dnnl_convolution_desc_t *desc;
    const_dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_iterator_t it;
    *next = *p;
    assert_int_equal(dnnl_primitive_desc_query(p->desc, dnnl_query_convolution_d, 0, &desc), dnnl_success);
    assert_int_equal(dnnl_primitive_desc_get_attr(p->desc, &attr), dnnl_success);
    assert_int_equal(dnnl_primitive_desc_iterator_create(&it, desc, attr, ctx->engine, NULL), dnnl_success);
    bool found = dnnl_primitive_desc_iterator_next(it) == dnnl_success;
    if (found) {
        next->desc = dnnl_primitive_desc_iterator_fetch(it);
        assert_int_equal(dnnl_primitive_create(&next->primitive, next->desc), dnnl_success);
        next->scratch_bytes =
            dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(next->desc, dnnl_query_scratchpad_md, 0));
    }
    dnnl_primitive_desc_iterator_destroy(it);
    return found;
}

/* A result in bf16 has lost the bits in which orders of adding differ; the check must see them all the same. */
static void test_check_notices_another_order(void **state) {
    (void)state;
    for (int t = 0; t < n_types; t++) {
        df_err err = { 0 };
        df_cpu_ctx *ctx = NULL;
        test_check(df_cpu_ctx_open(&ctx, &(df_backend_cfg) { .dtype = types[t], .threads = 2 }, &err), &err);
        df_product_shape s = shape_of_trial(types[t]);
        s.oc = 41; /* no answer of another test */
        df_prim *canonical = NULL, next;
        bool same = true;
        test_check(df_prim_open(&canonical, ctx, &s, 1, 1, NULL, &err), &err);
        if (next_implementation(&next, ctx, canonical)) {
            test_check(df_invariance_check(&same, ctx, canonical, &next, &err), &err);
            if (same) fail_msg("%s and %s", df_prim_implementation(canonical), df_prim_implementation(&next));
            dnnl_primitive_destroy(next.primitive);
            dnnl_primitive_desc_destroy(next.desc);
        }
        df_prim_close(&canonical);
        df_cpu_ctx_close(&ctx);
    }
}

static df_graph *other_op(int i) {
    df_graph *g = df_graph_new("other");
    df_value_id y = DF_NO_VALUE, x = df_graph_input(g, "x", DF_F32, DF_SHAPE(16, 16, 96));
    if (i == 0) y = df_g_group_norm(g, "op", x, 32, 1e-5);
    if (i == 1) y = df_g_layer_norm(g, "op", x, 1e-5);
    if (i == 2) y = df_g_geglu(g, "op", x);
    if (i == 3) y = df_g_upsample_nearest(g, "op", x, 37, 29);
    if (i == 4) y = df_g_concat(g, "op", x, df_graph_input(g, "z", DF_F32, DF_SHAPE(16, 16, 50)));
    if (i == 5) y = df_g_add_channel(g, "op", x, df_graph_input(g, "z", DF_F32, DF_SHAPE(96)));
    if (i == 6) y = df_g_add(g, "op", x, df_graph_input(g, "z", DF_F32, DF_SHAPE(16, 16, 96)));
    if (i == 7) y = df_g_activation(g, "op", x, DF_ACT_GELU);
    if (i >= 8) x = df_g_reshape(g, "tokens", x, DF_SHAPE(256, 96));
    df_value_id z = i >= 8 ? df_graph_input(g, "z", DF_F32, DF_SHAPE(77, 96)) : DF_NO_VALUE;
    if (i == 8) y = df_g_attention(g, "op", x, x, x, 3, false);
    if (i == 9) y = df_g_attention(g, "op", x, z, z, 24, false);
    if (i == 10) y = df_g_attention(g, "op", x, x, x, 1, true);
    if (i == 11) y = df_g_attention(g, "op", z, z, z, 2, true);
    df_graph_output(g, "out", y);
    df_err err = { 0 };
    test_check(df_graph_finish(g, &err), &err);
    return g;
}

static void test_own_kernels(void **state) {
    (void)state;
    for (int i = 0; i < 12 * n_types; i++) {
        df_graph *g = other_op(i / n_types);
        run_cfg cfg = base(types[i % n_types]);
        cfg.way = DF_PRODUCT_AUTO;
        void *all = run_graph(g, &cfg, 8);
        check_right(g, all, cfg.dtype, g->nodes[g->n_nodes - 1].name);
        for (cfg.threads = 1; cfg.threads <= 4; cfg.threads++)
            for (int64_t n = 1; n <= 8; n++) check_rows(g, &cfg, n, all, df_op_name(g->nodes[g->n_nodes - 1].op));
        free(all);
        df_graph_free(&g);
    }
}

/* Far from 0 a variance is what f64 sums leave after they cancel: another order of them shows in every element. */
static void test_norm_far_from_zero(void **state) {
    (void)state;
    for (int op = 0; op < 2; op++) {
        df_graph *g = other_op(op);
        run_cfg cfg = base(DF_F32);
        cfg.offset = 1e6f;
        void *all = run_graph(g, &cfg, 8);
        for (cfg.threads = 1; cfg.threads <= 4; cfg.threads++)
            for (int64_t n = 1; n <= 8; n++) check_rows(g, &cfg, n, all, "a norm far from 0");
        free(all);
        df_graph_free(&g);
    }
}

int main(void) {
    n_types = test_computes_in(DF_BF16) ? 2 : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convs),         cmocka_unit_test(test_linears),
        cmocka_unit_test(test_epilogues),     cmocka_unit_test(test_strips),
        cmocka_unit_test(test_check_notices), cmocka_unit_test(test_check_notices_another_order),
        cmocka_unit_test(test_own_kernels),   cmocka_unit_test(test_norm_far_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

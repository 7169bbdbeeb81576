/* The own kernels of every instruction set this machine runs, against the f64 reference and against the plain one:
 * ragged sizes, every head width in use, causal or not, more keys than one softmax step takes. */
#include "tests/engine/backend/cpu/run_graph.h"

static const char *const sets[] = { "plain", "avx2", "avx512", "avx512bf16" };

typedef struct attention_case {
    int64_t queries, keys, heads, width, value_width;
    bool causal;
    int buckets; /* of relative positions; 0: none */
} attention_case;

/* In the table what a case does not have is left out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const attention_case attentions[] = {
    { 1, 1, 1, 8, 8, false },         { 16, 16, 6, 32, 32, false },       { 64, 77, 4, 32, 32, false },
    { 256, 256, 2, 32, 32, false },   { 77, 77, 4, 8, 8, true },          { 77, 77, 2, 64, 64, true },
    { 192, 77, 8, 4, 4, false },      { 48, 48, 8, 6, 6, true },          { 130, 515, 2, 40, 40, false },
    { 300, 300, 1, 80, 80, true },    { 50, 257, 1, 160, 160, false },    { 61, 200, 1, 512, 512, false },
    { 70, 70, 1, 512, 512, true },    { 49, 33, 2, 96, 96, false },       { 53, 90, 3, 24, 40, false },
    { 77, 77, 2, 16, 16, false, 32 }, { 300, 517, 2, 32, 32, false, 32 }, { 70, 9, 1, 5, 7, false, 10 },
};

static float *test_floats(int64_t n) {
    float *x = aligned_alloc(64, (size_t)(n + 15) / 16 * 64);
    assert_non_null(x);
    return x;
}

static df_graph *done(df_graph *g, df_value_id y) {
    df_graph_output(g, "out", y);
    df_err err = { 0 };
    test_check(df_graph_finish(g, &err), &err);
    return g;
}

static df_graph *attention_graph(const attention_case *c) {
    df_graph *g = df_graph_new("attention");
    df_value_id q = df_graph_input(g, "q", DF_F32, DF_SHAPE(c->queries, c->heads * c->width));
    df_value_id k = df_graph_input(g, "k", DF_F32, DF_SHAPE(c->keys, c->heads * c->width));
    df_value_id v = df_graph_input(g, "v", DF_F32, DF_SHAPE(c->keys, c->heads * c->value_width));
    if (c->buckets) return done(g, df_g_attention_relative(g, "op", q, k, v, (int)c->heads, "bias", c->buckets, 60));
    return done(g, df_g_attention(g, "op", q, k, v, (int)c->heads, c->causal));
}

static df_graph *norm_graph(int64_t positions, int64_t c, int groups, df_act act) {
    df_graph *g = df_graph_new("norm");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(positions, c));
    done(g, groups ? df_g_group_norm(g, "op", x, groups, 1e-5) : df_g_layer_norm(g, "op", x, 1e-5));
    g->nodes[0].act = act;
    return g;
}

static df_graph *geglu_graph(int64_t positions, int64_t d) {
    df_graph *g = df_graph_new("geglu");
    return done(g, df_g_geglu(g, "op", df_graph_input(g, "x", DF_F32, DF_SHAPE(positions, 2 * d))));
}

/* One rounding to bf16 errs by up to 2^-8 of the element, half of that in the mean of squares; what is computed before,
 * in f32, does not show beside it. (Where there are few elements the mean may be larger.) */
static const test_error bf16_limit = { 0x1p-8 * 0.75, 0x1p-8 * 1.02 };

enum { ROWS = 2 };

static void check_set(const df_graph *g, const char *set, df_dtype dtype, const double *ref, const void *plain,
                      test_error limit, const char *what) {
    int64_t n = ROWS * df_shape_elements(df_graph_shape(g, df_graph_find_output(g, "out")));
    run_cfg cfg = { .backend = &df_backend_cpu, .dtype = dtype, .given = dtype, .threads = 2, .simd = set };
    void *y = run_graph(g, &cfg, ROWS);
    test_error e = compare(y, dtype, ref, n);
    if (!(e.rms <= limit.rms && e.worst <= limit.worst))
        fail_msg("%s, %s, %s: rms %.2e, worst %.2e", what, set, df_dtype_name(dtype), e.rms, e.worst);
    for (size_t i = 0; i < (size_t)n; i++) /* two roundings of the same number: each within the bound */
        if (!(fabs(df_dtype_load(dtype, y, i) - df_dtype_load(dtype, plain, i)) <= 2 * limit.worst * 2))
            fail_msg("%s, %s: %s and plain differ", what, df_dtype_name(dtype), set);
    free(y);
}

static void check_sets(const df_graph *g, df_dtype dtype, test_error limit, const char *what) {
    run_cfg reference = { .backend = &df_backend_reference, .dtype = DF_F64, .given = dtype, .threads = 2 };
    run_cfg cfg = { .backend = &df_backend_cpu, .dtype = dtype, .given = dtype, .threads = 1, .simd = "plain" };
    double *ref = run_graph(g, &reference, ROWS);
    void *plain = run_graph(g, &cfg, ROWS);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (df_simd_find(sets[i], dtype)) check_set(g, sets[i], dtype, ref, plain, limit, what);
    free(ref);
    free(plain);
}

/* All sets, in f32 within the limit and in bf16; the graph is freed. */
static void check_graph(df_graph *g, test_error limit, const char *what) {
    check_sets(g, DF_F32, limit, what);
    if (test_computes_in(DF_BF16)) check_sets(g, DF_BF16, bf16_limit, what);
    df_graph_free(&g);
}

static void test_attention(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attentions / sizeof *attentions; i++) {
        const attention_case *c = &attentions[i];
        char what[96];
        snprintf(what, sizeof what, "attention %lldx%lld, %lld x %lld%s", (long long)c->queries, (long long)c->keys,
                 (long long)c->heads, (long long)c->width,
                 c->causal    ? ", causal"
                 : c->buckets ? ", relative"
                              : "");
        /* f32 sums of up to 515 products; T5's scores are not scaled, so that they and their roundings are larger */
        test_error limit = c->buckets ? (test_error) { 1.2e-6, 4e-6 } : (test_error) { 6e-7, 2e-6 };
        check_graph(attention_graph(c), limit, what);
    }
}

enum { HEAD_T = 70, HEAD_S = 300, HEAD_D = 8, BAD = 20 };

/* One head's attention without fusion, cut or threads: tasks of `most` queries. Row BAD of the keys is not a number
 * where `bad`. */
static void attend(const df_simd *s, void *out, float scale, bool causal, bool bad, int64_t most) {
    static char q[HEAD_T * HEAD_D * 4], k[HEAD_S * HEAD_D * 4], v[HEAD_S * HEAD_D * 4];
    for (int i = 0; i < HEAD_S * HEAD_D; i++) {
        if (i < HEAD_T * HEAD_D) df_dtype_store(s->dtype, q, (size_t)i, (double)test_number(1, i));
        bool none = bad && i / HEAD_D == BAD;
        df_dtype_store(s->dtype, k, (size_t)i, none ? (double)NAN : (double)test_number(2, i));
        df_dtype_store(s->dtype, v, (size_t)i, (double)test_number(3, i));
    }
    float *pk = test_floats(s->attention_key_floats(HEAD_S, HEAD_D));
    float *pv = test_floats(s->attention_value_floats(HEAD_S, HEAD_D));
    float *work = test_floats(s->attention_work_floats(HEAD_D, HEAD_D));
    s->attention_pack(pk, pv, k, HEAD_D, v, HEAD_D, HEAD_S, HEAD_D, HEAD_D);
    df_attn_head h = { q, pk, pv, out, HEAD_D, HEAD_D, HEAD_S, HEAD_D, HEAD_D, scale, NULL, causal, work };
    for (int64_t t = 0; t < HEAD_T; t += most) s->attention(&h, t, t + most < HEAD_T ? t + most : HEAD_T);
    free(pk);
    free(pv);
    free(work);
}

/* A number that is none shows in every query that sees its key, and in no other. */
static void check_nan(const df_simd *s) {
    static char out[HEAD_T * HEAD_D * 4];
    attend(s, out, 0.3f, true, true, s->attention_queries);
    for (int i = 0; i < HEAD_T * HEAD_D; i++)
        assert_int_equal(!isfinite(df_dtype_load(s->dtype, out, (size_t)i)), i / HEAD_D >= BAD);
}

/* The same bytes for a query alone and beside others, also where some of them meet scores far above their first. */
static void check_lanes(const df_simd *s) {
    static char alone[HEAD_T * HEAD_D * 4], together[HEAD_T * HEAD_D * 4];
    for (float scale = 0.3f; scale < 1000; scale *= 4) {
        attend(s, alone, scale, false, false, 1);
        attend(s, together, scale, false, false, s->attention_queries);
        assert_memory_equal(alone, together, HEAD_T * HEAD_D * df_dtype_bytes(s->dtype));
    }
}

static void test_attention_of_each_query(void **state) {
    (void)state;
    static const df_dtype dtypes[] = { DF_F32, DF_BF16 };
    for (size_t i = 0; i < 2 * sizeof sets / sizeof *sets; i++) {
        const df_simd *s = df_simd_find(sets[i / 2], dtypes[i % 2]);
        if (!s) continue;
        check_nan(s);
        check_lanes(s);
    }
}

static void test_norms(void **state) {
    (void)state;
    static const int64_t channels[] = { 8, 24, 48, 64, 96, 100, 192, 320, 1280 };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (df_act act = DF_ACT_NONE; act <= DF_ACT_RELU; act++) {
            test_error limit = { 2e-7, 3e-7 }; /* sums in f64: the last roundings only */
            check_graph(norm_graph(130, channels[i], 4, act), limit, "group_norm");
            check_graph(norm_graph(5, channels[i], 0, act), limit, "layer_norm");
        }
}

static void test_geglu(void **state) {
    (void)state;
    for (int64_t d = 1; d < 70; d += 4) check_graph(geglu_graph(7, d), (test_error) { 2e-7, 3e-7 }, "geglu");
}

/* Modulation, gate with and without residual, RMS norm and scaling, in one graph each: every tail from 1 to 16 lanes.
 */
static void test_transformer_ops(void **state) {
    (void)state;
    for (int64_t d = 1; d < 70; d += 3) {
        df_shape shape = DF_SHAPE(9, d), channels = DF_SHAPE(d);
        df_graph *g = df_graph_new("modulate");
        df_value_id x = df_graph_input(g, "x", DF_F32, shape), a = df_graph_input(g, "a", DF_F32, channels);
        df_value_id b = df_graph_input(g, "b", DF_F32, channels);
        check_graph(done(g, df_g_modulate(g, "op", x, a, b)), (test_error) { 2e-7, 3e-7 }, "modulate");
        for (int residual = 0; residual < 2; residual++) {
            g = df_graph_new("gate");
            x = df_graph_input(g, "x", DF_F32, shape);
            df_value_id y = df_g_gate(g, "op", x, df_graph_input(g, "a", DF_F32, channels));
            if (residual) y = df_g_add(g, "+", y, df_graph_input(g, "r", DF_F32, shape));
            done(g, y);
            test_check(df_graph_fuse(g, NULL), &(df_err) { 0 });
            assert_int_equal(g->n_nodes, 1);
            check_graph(g, (test_error) { 2e-7, 2e-7 }, "gate");
        }
        g = df_graph_new("rms_norm");
        x = df_graph_input(g, "x", DF_F32, shape);
        check_graph(done(g, df_g_rms_norm(g, "op", x, 1e-6)), (test_error) { 2e-7, 3e-7 }, "rms_norm");
        g = df_graph_new("scale");
        x = df_graph_input(g, "x", DF_F32, shape);
        check_graph(done(g, df_g_scale(g, "op", x, 0.3, 0.7)), (test_error) { 2e-7, 2e-7 }, "scale");
    }
}

/* The nearest code is the same on every machine, bit for bit; equal ones give the first. */
static void test_codebook(void **state) {
    (void)state;
    enum { N = 300, C = 3, V = 50, BLOCKS = (V + DF_CODE_BLOCK - 1) / DF_CODE_BLOCK };
    static float x[N * C], y[N * C], codes[BLOCKS * DF_CODE_BLOCK * C], code[V][C];
    for (int v = 0; v < BLOCKS * DF_CODE_BLOCK; v++)
        for (int k = 0; k < C; k++) { /* each code of the first half once more in the second */
            float number = v < V ? test_number(3, (v % (V / 2)) * C + k) : INFINITY;
            if (v < V) code[v][k] = number;
            codes[(v / DF_CODE_BLOCK * C + k) * DF_CODE_BLOCK + v % DF_CODE_BLOCK] = number;
        }
    for (int i = 0; i < N * C; i++) x[i] = i < V * C ? code[i / C][i % C] : test_number(4, i);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const df_simd *s = df_simd_find(sets[i], DF_F32);
        if (!s) continue;
        s->nearest_code(y, x, N, C, codes, BLOCKS);
        assert_memory_equal(y, code, sizeof code); /* a code is nearest to itself */
        for (int p = V; p < N; p++) {
            double least = INFINITY;
            int best = 0;
            for (int v = 0; v < V; v++) {
                double d = 0;
                for (int k = 0; k < C; k++)
                    d += ((double)x[p * C + k] - code[v][k]) * ((double)x[p * C + k] - code[v][k]);
                if (d < least) {
                    least = d;
                    best = v;
                }
            }
            assert_memory_equal(y + p * C, code[best], sizeof code[best]);
        }
    }
}

/* A mean far from 0 cancels in E[x^2] - E[x]^2: f64 sums keep what the data still holds. */
static void test_far_mean(void **state) {
    (void)state;
    enum { C = 64, N = 50 };
    static float x[N * C], y[N * C];
    static double sum[C], square[C];
    for (int i = 0; i < N * C; i++) x[i] = 1000.0f + test_number(1, i);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const df_simd *v = df_simd_find(sets[i], DF_F32);
        if (!v) continue;
        v->layer_norm(y, x, N, C, NULL, NULL, 1e-5, DF_ACT_NONE);
        v->channel_sums(sum, square, x, N, C);
        for (int p = 0; p < N; p++) {
            double m = 0, var = 0;
            for (int j = 0; j < C; j++) m += x[p * C + j] / (double)C;
            for (int j = 0; j < C; j++) var += (x[p * C + j] - m) * (x[p * C + j] - m) / C;
            for (int j = 0; j < C; j++) { /* the mean itself is rounded to f32: 1000 * 2^-24, over a deviation of 0.6 */
                double want = (x[p * C + j] - m) / sqrt(var + 1e-5);
                assert_true(fabs(y[p * C + j] - want) < 1.2e-4);
            }
        }
        for (int j = 0; j < C; j++) {
            double s = 0;
            for (int p = 0; p < N; p++) s += x[p * C + j];
            assert_true(fabs(sum[j] - s) <= 1e-12 * fabs(s));
        }
    }
}

/* Widening is exact and narrowing rounds as dtype.h does, for every number and in every lane and tail. */
static void test_bf16_rounding(void **state) {
    (void)state;
    enum { N = 65536 };
    static uint16_t x[N], y[N];
    const float by = 1.3720703f, plus = 0.0110473f;
    for (int i = 0; i < N; i++) x[i] = (uint16_t)i;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        const df_simd *v = df_simd_find(sets[s], DF_BF16);
        if (!v) continue;
        v->affine(y, x, N, by, plus);
        for (int i = 0; i < N; i++) {
            float in = df_bf16_to_f32(x[i]), want = v->lanes == 4 ? in * by + plus : fmaf(in, by, plus);
            if (isnan(in))
                assert_true(isnan(df_bf16_to_f32(y[i])));
            else
                assert_int_equal(y[i], df_f32_to_bf16(want));
        }
        for (int n = 1; n < 2 * v->lanes; n++) {
            uint16_t tail[64];
            memset(tail, 0xa5, sizeof tail);
            v->affine(tail, x + 0x3f80, n, by, plus);
            assert_memory_equal(tail, y + 0x3f80, (size_t)n * sizeof *tail);
            assert_int_equal(tail[n], 0xa5a5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),       cmocka_unit_test(test_attention_of_each_query),
        cmocka_unit_test(test_norms),           cmocka_unit_test(test_geglu),
        cmocka_unit_test(test_transformer_ops), cmocka_unit_test(test_codebook),
        cmocka_unit_test(test_far_mean),        cmocka_unit_test(test_bf16_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

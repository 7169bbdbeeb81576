/* Every operation of the table on every backend: numbers against the f64 reference, and the promise of backend.h:
 * bytes that depend on nothing but the row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/op_cases.h"

enum { ROWS = 8 };

/* rms: of the error, over that of the reference. worst: of one element, over the larger of itself and the rms. */
typedef struct tolerance {
    double rms, worst;
} tolerance;

typedef struct subject {
    const char *label, *backend;
    df_dtype dtype;
    tolerance limit;
    bool fast_conv; /* of interest for convolutions only */
} subject;

static const subject subjects[] = {
    /* sums are in f64, so that one rounding to f32 is all there may be: 2^-24 = 5.96e-8 of the element */
    { "reference", "reference", DF_F32, { 6e-8, 6e-8 }, false },
    /* f32 sums of up to K = 2,880 products of either sign err by about sqrt(K) / 2 roundings (1.6e-6), in an element
     * that cancels by a few times more; polynomial exp and erf stay below a few roundings */
    { "cpu", "cpu", DF_F32, { 1.5e-6, 1.5e-5 }, false },
    /* operands and weights are bf16 numbers for both sides, sums are f32: what shows is that a result is rounded to
     * 2^-8 of itself, and that of a convolution or matrix product once more where channels, an activation or a residual
     * come behind it; in the mean of squares a rounding is about half of its bound */
    { "cpu bf16", "cpu", DF_BF16, { 0x1p-8 * 0.8, 0x1p-8 * 2.1 }, false },
    /* Winograd's transforms of data and weights, sums of up to 4 and 9 numbers, are rounded to bf16 once each, and a
     * result is the sum of 9 such products: about twice the rounding of the result itself, both together */
    { "cpu bf16, fast-conv", "cpu", DF_BF16, { 0x1p-8 * 1.3, 0x1p-8 * 6 }, true },
};

/* Built in, and the machine has what the type needs. */
static bool runs_here(const subject *s) {
    const df_backend *b = df_backend_find(s->backend);
    return b && !df_backend_can_compute_in(b, s->dtype, NULL);
}

static df_backend_cfg cfg_of(const subject *s, int threads) {
    return (df_backend_cfg) { .dtype = s->dtype, .threads = threads, .fast_conv = s->fast_conv };
}

static void compare(const op_case *c, const subject *s, const void *got, const double *want, size_t n) {
    double squares = 0, errors = 0, worst = 0, slack = s->dtype == DF_BF16 ? c->slack_bf16 : c->slack;
    if (slack == 0) slack = 1;
    tolerance limit = { s->limit.rms * slack, s->limit.worst * slack };
    for (size_t i = 0; i < n; i++) squares += want[i] * want[i];
    double rms = sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        double error = fabs(df_dtype_load(s->dtype, got, i) - want[i]),
               relative = error / fmax(fmax(fabs(want[i]), rms), 1e-30);
        if (!(relative <= worst)) worst = relative; /* also catches NaN */
        errors += error * error;
    }
    double rms_error = sqrt(errors / (double)n) / fmax(rms, 1e-30);
    if (!(rms_error <= limit.rms) || !(worst <= limit.worst))
        fail_msg("%s on %s: relative rms error %.3g (limit %.3g), worst %.3g (limit %.3g)", c->name, s->label,
                 rms_error, limit.rms, worst, limit.worst);
}

static void check_numbers(const op_case *c, const subject *s, const df_backend *backend) {
    const df_backend_cfg exact = { .dtype = DF_F64, .threads = 1 }, own = cfg_of(s, 1);
    op_run oracle = op_run_open(c, &df_backend_reference, &exact, s->dtype, 3);
    op_run r = op_run_open(c, backend, &own, s->dtype, 3);
    double *want = op_run_rows(&oracle, 0, 3, OP_APART);
    void *got = op_run_rows(&r, 0, 3, OP_APART);
    compare(c, s, got, want, oracle.out_row_bytes * 3 / sizeof(double));
    free(want);
    free(got);
    op_run_close(&oracle);
    op_run_close(&r);
}

static void same_bytes(op_run *r, const char *base, int64_t first, int64_t n, op_place place, int threads) {
    static const char *const places[] = { "apart", "over its input", "over its residual" };
    void *got = op_run_rows(r, first, n, place);
    if (memcmp(got, base + r->out_row_bytes * (size_t)first, r->out_row_bytes * (size_t)n))
        fail_msg("%s on %s: other bytes for rows %lld..%lld of a batch of %lld, %d threads, %s", r->g->name,
                 r->backend->name, (long long)first, (long long)(first + n - 1), (long long)n, threads, places[place]);
    free(got);
}

static void same_bytes_in_lanes(op_run *r, const char *base, int threads) {
    for (r->lane = r->backend->n_lanes ? threads : 0; r->lane; r->lane--) {
        same_bytes(r, base, 0, 3, OP_APART, threads);
        same_bytes(r, base, ROWS - 1, 1, OP_APART, threads);
    }
}

/* The same rows in other batches, on other threads, into other places: the same bytes. */
static void check_bytes(const op_case *c, const df_backend *backend, df_backend_cfg cfg) {
    static const int64_t batches[] = { 1, 2, 3, 5, 8 };
    static const int thread_counts[] = { 1, 2, 4 };
    char *base = NULL;
    for (size_t t = 0; t < 3; t++) {
        cfg.threads = thread_counts[t];
        op_run r = op_run_open(c, backend, &cfg, DF_F32, ROWS);
        const df_node *node = &r.g->nodes[0];
        if (!base) base = op_run_rows(&r, 0, ROWS, OP_APART);
        for (size_t b = 0; b < 5; b++) {
            same_bytes(&r, base, 0, batches[b], OP_APART, thread_counts[t]);
            same_bytes(&r, base, ROWS - batches[b], batches[b], OP_APART, thread_counts[t]);
        }
        if (df_op_can_run_in_place(node->op)) same_bytes(&r, base, 1, 3, OP_OVER_INPUT, thread_counts[t]);
        if (node->residual != DF_NO_VALUE) same_bytes(&r, base, 1, 3, OP_OVER_RESIDUAL, thread_counts[t]);
        same_bytes_in_lanes(&r, base, thread_counts[t]);
        op_run_close(&r);
    }
    free(base);
}

/* One failing case stops its test: each case is a test of its own. */
typedef struct op_test {
    const op_case *c;
    const subject *s;
} op_test;

static void test_numbers(void **state) {
    const op_test *t = *state;
    check_numbers(t->c, t->s, df_backend_find(t->s->backend));
}

static void test_bytes(void **state) {
    const op_test *t = *state;
    check_bytes(t->c, df_backend_find(t->s->backend), cfg_of(t->s, 1));
}

static void test_bytes_f64(void **state) {
    const op_test *t = *state;
    check_bytes(t->c, &df_backend_reference, (df_backend_cfg) { .dtype = DF_F64 });
}

/* The suite is worth what it covers: every op that backends run is in the table. */
static void test_every_op_has_a_case(void **state) {
    (void)state;
    for (int op = 0; op < DF_OP_COUNT; op++) {
        int n = 0;
        for (int i = 0; i < n_op_cases; i++) n += op_cases[i].op == (df_op)op;
        if (!n && op != DF_OP_RESHAPE) fail_msg("no case for %s", df_op_name((df_op)op));
    }
}

static void test_unknown_backend(void **state) {
    (void)state;
    assert_null(df_backend_find("abacus"));
    assert_ptr_equal(df_backend_find("reference"), &df_backend_reference);
}

static void test_refuses_dtypes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        const df_backend *b = df_backend_find(subjects[i].backend);
        void *ctx = NULL;
        df_err err = { 0 };
        if (!b) continue;
        assert_int_equal(b->open(&ctx, &(df_backend_cfg) { .dtype = DF_I32, .threads = 1 }, &err), DF_EUNSUPPORTED);
        assert_null(ctx);
        assert_non_null(strstr(err.text, "I32"));
    }
}

static df_code run_ids(op_run *r, int64_t n_rows, const int32_t *ids) {
    df_err err = { 0 };
    size_t scratch = 0;
    double out[12];
    assert_int_equal(r->backend->node_prepare(r->kernel, n_rows, &scratch, &err), DF_OK);
    return r->backend->node_run(r->kernel, n_rows, (const void *[]) { ids, NULL, NULL, NULL }, NULL, NULL, out, NULL,
                                &err);
}

static void test_id_outside_vocabulary(void **state) {
    (void)state;
    static const op_case cases[] = {
        { .name = "embedding", .op = DF_OP_EMBEDDING, .in = { { 1, { 3 } } }, .out = 4 },
        { .name = "no positions", .op = DF_OP_EMBEDDING, .in = { { 1, { 3 } } }, .out = 4, .no_positions = true },
        { .name = "class_embedding", .op = DF_OP_CLASS_EMBEDDING, .in = { { 1, { 1 } } }, .out = 4 },
    };
    static const int32_t good[] = { 0, 1, 99 }, low[] = { 0, 1, -1 }, high[] = { 0, 100, 2 };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            if (!runs_here(&subjects[i])) continue;
            const df_backend *b = df_backend_find(subjects[i].backend);
            const df_backend_cfg cfg = cfg_of(&subjects[i], 1);
            op_run r = op_run_open(&cases[k], b, &cfg, DF_F32, 1);
            int64_t n_rows = 3 / cases[k].in[0].dim[0]; /* three ids in all */
            assert_int_equal(run_ids(&r, n_rows, good), DF_OK);
            assert_int_equal(run_ids(&r, n_rows, low), DF_EINVAL);
            assert_int_equal(run_ids(&r, n_rows, high), DF_EINVAL);
            op_run_close(&r);
        }
}

enum { FIXED = 4, MOST = 2000 };

static struct CMUnitTest tests[MOST];
static op_test states[MOST];
static char names[MOST][96];
static int n_tests;

static void add(const char *kind, CMUnitTestFunction fn, const op_case *c, const subject *s) {
    if (n_tests == MOST) abort();
    states[n_tests] = (op_test) { c, s };
    snprintf(names[n_tests], sizeof names[0], "%s %s: %s", s->label, kind, c->name);
    tests[n_tests] = (struct CMUnitTest) { names[n_tests], fn, NULL, NULL, &states[n_tests] };
    n_tests++;
}

/* Products of so many numbers that plain loops take minutes over some hundred rows; they are that large for the sake of
 * the other backends, and plain loops take smaller ones in the same order. */
static bool is_large(const op_case *c) {
    bool product = c->op == DF_OP_CONV2D || c->op == DF_OP_UPSAMPLE_CONV2D;
    int64_t kernel = product ? c->attr.conv.kernel * c->attr.conv.kernel : 0;
    return kernel * df_shape_elements(c->in[0]) * c->out > 20 * 1000 * 1000;
}

int main(void) {
    const struct CMUnitTest fixed[FIXED] = {
        cmocka_unit_test(test_every_op_has_a_case),
        cmocka_unit_test(test_unknown_backend),
        cmocka_unit_test(test_refuses_dtypes),
        cmocka_unit_test(test_id_outside_vocabulary),
    };
    memcpy(tests, fixed, sizeof fixed);
    n_tests = FIXED;
    for (size_t s = 0; s < sizeof subjects / sizeof *subjects; s++) {
        if (!runs_here(&subjects[s])) continue;
        for (int i = 0; i < n_op_cases; i++) {
            bool conv = op_cases[i].op == DF_OP_CONV2D || op_cases[i].op == DF_OP_UPSAMPLE_CONV2D;
            if (subjects[s].fast_conv && !conv) continue;
            add("numbers", test_numbers, &op_cases[i], &subjects[s]);
            bool plain = !strcmp(subjects[s].backend, "reference");
            if (plain && is_large(&op_cases[i])) continue;
            add("bytes", test_bytes, &op_cases[i], &subjects[s]);
            if (s == 0) add("f64 bytes", test_bytes_f64, &op_cases[i], &subjects[s]);
        }
    }
    return _cmocka_run_group_tests("ops", tests, (size_t)n_tests, NULL, NULL);
}

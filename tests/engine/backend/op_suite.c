#include "tests/engine/backend/op_suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 };

/* Built in, and the machine has what the type needs. */
static bool runs_here(const op_subject *s) {
    return s->backend && !df_backend_can_compute_in(s->backend, s->dtype, NULL);
}

static df_backend_cfg cfg_of(const op_subject *s, int threads) {
    return (df_backend_cfg) { .dtype = s->dtype, .threads = threads, .fast_conv = s->fast_conv };
}

static void compare(const op_case *c, const op_subject *s, const void *got, const double *want, size_t n) {
    double squares = 0, errors = 0, worst = 0, slack = s->dtype == DF_BF16 ? c->slack_bf16 : c->slack;
    if (slack == 0) slack = 1;
    op_tolerance limit = { s->limit.rms * slack, s->limit.worst * slack };
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

static void check_numbers(const op_case *c, const op_subject *s) {
    const df_backend_cfg exact = { .dtype = DF_F64, .threads = 1 }, own = cfg_of(s, 1);
    op_run oracle = op_run_open(c, &df_backend_reference, &exact, s->dtype, 3);
    op_run r = op_run_open(c, s->backend, &own, s->dtype, 3);
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
static void check_bytes(const op_case *c, const df_backend *backend, df_backend_cfg cfg, bool no_threads) {
    static const int64_t batches[] = { 1, 2, 3, 5, 8 };
    static const int thread_counts[] = { 1, 2, 4 };
    char *base = NULL;
    for (size_t t = 0; t < (no_threads ? 1 : 3); t++) {
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
    const op_subject *s;
} op_test;

static void test_numbers(void **state) {
    const op_test *t = *state;
    check_numbers(t->c, t->s);
}

static void test_bytes(void **state) {
    const op_test *t = *state;
    check_bytes(t->c, t->s->backend, cfg_of(t->s, 1), t->s->no_threads);
}

static void test_bytes_f64(void **state) {
    const op_test *t = *state;
    check_bytes(t->c, t->s->backend, (df_backend_cfg) { .dtype = DF_F64 }, t->s->no_threads);
}

void op_suite_refuses_dtypes(const op_subject *subjects, size_t n_subjects) {
    for (size_t i = 0; i < n_subjects; i++) {
        const df_backend *b = subjects[i].backend;
        void *ctx = NULL;
        df_err err = { 0 };
        if (!b) continue;
        assert_int_equal(b->open(&ctx, &(df_backend_cfg) { .dtype = DF_I32, .threads = 1 }, &err), DF_EUNSUPPORTED);
        assert_null(ctx);
        assert_non_null(strstr(err.text, "I32"));
    }
}

static void check_ids(op_run *r, const int32_t *ids, df_code want) {
    const void *operands[DF_NODE_MAX_READS] = { ids };
    df_err err = { 0 };
    void *out = NULL;
    df_code rc = op_run_on(r, operands, r->rows, OP_APART, &out, &err);
    if (rc != want) fail_msg("%s on %s: error %d, '%s'", r->g->name, r->backend->name, rc, err.text);
    free(out);
}

void op_suite_ids_outside(const op_subject *subjects, size_t n_subjects) {
    static const op_case cases[] = {
        { .name = "embedding", .op = DF_OP_EMBEDDING, .in = { { 1, { 3 } } }, .out = 4 },
        { .name = "no positions", .op = DF_OP_EMBEDDING, .in = { { 1, { 3 } } }, .out = 4, .no_positions = true },
        { .name = "class_embedding", .op = DF_OP_CLASS_EMBEDDING, .in = { { 1, { 1 } } }, .out = 4 },
    };
    static const int32_t good[] = { 0, 1, 99 }, low[] = { 0, 1, -1 }, high[] = { 0, 100, 2 };
    for (size_t i = 0; i < n_subjects; i++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            if (!runs_here(&subjects[i])) continue;
            const df_backend_cfg cfg = cfg_of(&subjects[i], 1);
            int64_t n_rows = 3 / cases[k].in[0].dim[0]; /* three ids in all */
            op_run r = op_run_open(&cases[k], subjects[i].backend, &cfg, DF_F32, n_rows);
            check_ids(&r, good, DF_OK);
            check_ids(&r, low, DF_EINVAL);
            check_ids(&r, high, DF_EINVAL);
            check_ids(&r, good, DF_OK);
            op_run_close(&r);
        }
}

enum { MOST = 2000 };

static struct CMUnitTest tests[MOST];
static op_test states[MOST];
static char names[MOST][96];
static size_t n_tests;

static void add(const char *kind, CMUnitTestFunction fn, const op_case *c, const op_subject *s) {
    if (n_tests == MOST) abort();
    states[n_tests] = (op_test) { c, s };
    snprintf(names[n_tests], sizeof names[0], "%s %s: %s", s->label, kind, c->name);
    tests[n_tests] = (struct CMUnitTest) { names[n_tests], fn, NULL, NULL, &states[n_tests] };
    n_tests++;
}

/* Products of so many numbers that plain loops take minutes over some hundred rows; they are that large for the sake of
 * the other backends, and plain loops take smaller ones in the same order. Attention over as many keys takes a
 * simulated device as long; its kernels are held to the bytes of a row by tests of their own. */
static bool is_large(const op_case *c) {
    enum { MOST_PRODUCTS = 20 * 1000 * 1000, MOST_OF_ATTENTION = 1000 * 1000 };
    bool conv = c->op == DF_OP_CONV2D || c->op == DF_OP_UPSAMPLE_CONV2D;
    int64_t kernel = conv ? c->attr.conv.kernel * c->attr.conv.kernel : 0;
    if (c->op == DF_OP_ATTENTION) return df_shape_elements(c->in[0]) * c->in[1].dim[0] > MOST_OF_ATTENTION;
    return kernel * df_shape_elements(c->in[0]) * c->out > MOST_PRODUCTS;
}

static void add_case(const op_case *c, const op_subject *s) {
    bool conv = c->op == DF_OP_CONV2D || c->op == DF_OP_UPSAMPLE_CONV2D;
    if ((s->fast_conv && !conv) || (s->no_int8 && c->int8.scale > 0)) return;
    add("numbers", test_numbers, c, s);
    if (s->slow && is_large(c)) return;
    add("bytes", test_bytes, c, s);
    if (s->backend == &df_backend_reference) add("f64 bytes", test_bytes_f64, c, s);
}

int op_suite_run(const char *name, const op_subject *subjects, size_t n_subjects, const struct CMUnitTest *fixed,
                 size_t n_fixed) {
    memcpy(tests, fixed, n_fixed * sizeof *fixed);
    n_tests = n_fixed;
    for (size_t s = 0; s < n_subjects; s++)
        for (int i = 0; i < n_op_cases && runs_here(&subjects[s]); i++) add_case(&op_cases[i], &subjects[s]);
    return _cmocka_run_group_tests(name, tests, n_tests, NULL, NULL);
}

/* Every kernel of the graph's operations, run by the grid simulator in each storage type: the table of op_cases.c
 * against the reference backend in f64, and the promises of kernels.h: bytes that depend on nothing but the row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/node_launch.h"
#include "tests/engine/backend/op_cases.h"

enum { ROWS = 3 };

/* rms: of the error, over that of the reference. worst: of one element, over the larger of itself and the rms.
 * Operands are numbers of the type for both sides. f32: a few roundings of a few operations, expf and its like a unit
 * or two in the last place. 16 bits: one rounding of the result, to 2^-8 or 2^-11 of it at most, about half of that in
 * the mean of squares of many. */
typedef struct type_limits {
    df_dtype type;
    double rms, worst;
} type_limits;
static const type_limits limits[] = {
    { DF_F32, 4e-7, 4e-6 },
    { DF_F16, 0x1p-11 * 0.6, 0x1p-11 * 1.02 },
    { DF_BF16, 0x1p-8 * 0.6, 0x1p-8 * 1.02 },
};
enum { N_TYPES = sizeof limits / sizeof *limits };

/* On tensor cores the weights of the softmax are rounded to the type too, each by as much: in the result that is as
 * large as its own rounding, in an element that cancels a few times that. In f32 a score is a sum of up to 512 products
 * that is off by a few roundings of its largest ones, and a weight by as much. */
static double slack_of(const op_case *c, df_dtype type) {
    double attention = c->op != DF_OP_ATTENTION ? 1 : type == DF_F32 ? 4 : 2.5;
    return attention * (type == DF_F32 && c->slack ? c->slack : 1);
}

/* No mean of many. */
enum { FEW = 100 };

/* Where arrays begin: at a multiple of 16 bytes, or an element behind it. Sizes are exact, for ASan. */
typedef struct array {
    char *memory;
    void *data;
} array;

static array array_new(size_t bytes, bool aligned, size_t unit) {
    array a = { 0 };
    size_t shift = aligned ? 0 : unit;
    if (posix_memalign((void **)&a.memory, 64, bytes + shift)) fail_msg("%zu bytes", bytes);
    a.data = a.memory + shift;
    return a;
}

static array array_of(const void *from, size_t bytes, bool aligned, size_t unit) {
    array a = array_new(bytes, aligned, unit);
    memcpy(a.data, from, bytes);
    return a;
}

static array typed_array(df_dtype type, const float *f32, const double *f64, size_t n, bool aligned) {
    array a = array_new(n * df_dtype_bytes(type), aligned, df_dtype_bytes(type));
    for (size_t i = 0; i < n; i++) df_dtype_store(type, a.data, i, f32 ? (double)f32[i] : f64[i]);
    return a;
}

/* Of tensor cores: their operands are aligned, or refused. */
static bool wants_alignment(const op_run *oracle, df_dtype type) {
    const df_node *n = &oracle->g->nodes[0];
    if (n->op != DF_OP_ATTENTION || type == DF_F32) return false;
    int64_t heads = n->attr.attention.heads, d = oracle->g->values[n->in[0]].shape.dim[1] / heads,
            dv = oracle->g->values[n->in[2]].shape.dim[1] / heads;
    return d % 8 == 0 && dv % 8 == 0;
}

/* Launches the node on rows [first, first + rows) of what the oracle was given; the result is the caller's. */
static array launch_rows(const op_run *oracle, df_dtype type, int64_t first, int64_t rows, bool aligned,
                         bool over_input) {
    const df_graph *g = oracle->g;
    const df_node *n = &g->nodes[0];
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads), n_arrays = 0;
    array held[DF_NODE_MAX_READS + 2 * DF_NODE_MAX_WEIGHTS];
    node_operands o = { .rows = rows };
    for (int i = 0; i < n_reads; i++) {
        const char *from = (const char *)oracle->operand[i] + oracle->row_bytes[i] * (size_t)first;
        size_t bytes = oracle->row_bytes[i] * (size_t)rows, n_numbers = bytes / sizeof(double);
        bool activation = g->values[reads[i]].dtype == DF_F32;
        held[n_arrays] = activation ? typed_array(type, NULL, (const double *)from, n_numbers, aligned)
                                    : array_of(from, bytes, true, 0);
        *(i < n->n_in ? &o.in[i] : &o.residual) = held[n_arrays++].data;
    }
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) {
        if (n->weight[i] == DF_NO_WEIGHT) continue;
        const df_weight *w = &g->weights[n->weight[i]];
        float *values = op_case_weight(w, type);
        size_t elements = (size_t)df_shape_elements(w->shape);
        held[n_arrays] = array_of(values, elements * sizeof *values, aligned, sizeof *values);
        o.vector[i] = held[n_arrays++].data;
        held[n_arrays] = typed_array(type, values, NULL, elements, aligned);
        o.table[i] = held[n_arrays++].data;
        free(values);
    }
    size_t unit = df_dtype_bytes(type), out_bytes = oracle->out_row_bytes / sizeof(double) * unit * (size_t)rows;
    array out = over_input ? held[0] : array_new(out_bytes, aligned, unit);
    o.out = out.data;
    cudaError_t rc = node_launch(type, g, n, &o);
    cudaError_t want = !aligned && wants_alignment(oracle, type) ? cudaErrorMisalignedAddress : cudaSuccess;
    if (rc != want) fail_msg("%s: error %d", g->name, (int)rc);
    for (int i = over_input; i < n_arrays; i++) free(held[i].memory);
    return out;
}

static void compare(const op_case *c, const type_limits *limit, const void *got, const double *want, size_t n) {
    double squares = 0, errors = 0, worst = 0, slack = slack_of(c, limit->type);
    for (size_t i = 0; i < n; i++) squares += want[i] * want[i];
    double rms = sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        double error = fabs(df_dtype_load(limit->type, got, i) - want[i]),
               relative = error / fmax(fmax(fabs(want[i]), rms), 1e-30);
        if (!(relative <= worst)) worst = relative; /* also catches NaN */
        errors += error * error;
    }
    double rms_error = sqrt(errors / (double)n) / fmax(rms, 1e-30);
    double rms_limit = (n < FEW ? limit->worst : limit->rms) * slack;
    if (!(rms_error <= rms_limit) || !(worst <= limit->worst * slack))
        fail_msg("%s in %s: relative rms error %.3g (limit %.3g), worst %.3g (limit %.3g)", c->name,
                 df_dtype_name(limit->type), rms_error, rms_limit, worst, limit->worst * slack);
}

static void same_bytes(const op_case *c, df_dtype type, array got, const void *want, size_t bytes, const char *how) {
    if (memcmp(got.data, want, bytes)) fail_msg("%s in %s: other bytes %s", c->name, df_dtype_name(type), how);
    free(got.memory);
}

static void check_in_type(const op_case *c, const type_limits *limit) {
    const df_backend_cfg exact = { .dtype = DF_F64, .threads = 1 };
    df_dtype type = limit->type;
    op_run oracle = op_run_open(c, &df_backend_reference, &exact, type, ROWS);
    double *want = op_run_rows(&oracle, 0, ROWS, OP_APART);
    size_t row_numbers = oracle.out_row_bytes / sizeof(double), row_bytes = row_numbers * df_dtype_bytes(type);
    array got = launch_rows(&oracle, type, 0, ROWS, true, false);
    compare(c, limit, got.data, want, ROWS * row_numbers);
    const char *base = got.data;
    array other = launch_rows(&oracle, type, 0, ROWS, false, false);
    if (wants_alignment(&oracle, type))
        free(other.memory);
    else
        same_bytes(c, type, other, base, ROWS * row_bytes, "if not aligned");
    same_bytes(c, type, launch_rows(&oracle, type, 1, 1, true, false), base + row_bytes, row_bytes, "for a row alone");
    if (df_op_can_run_in_place(c->op))
        same_bytes(c, type, launch_rows(&oracle, type, 1, 2, true, true), base + row_bytes, 2 * row_bytes,
                   "over its input");
    free(got.memory);
    free(want);
    op_run_close(&oracle);
}

static void test_case(void **state) {
    for (int i = 0; i < N_TYPES; i++) check_in_type(*state, &limits[i]);
}

static void test_other_types_are_refused(void **state) {
    (void)state;
    double x[4] = { 0 };
    assert_int_equal(df_cuda_add(DF_F64, x, x, x, 4, NULL), cudaErrorInvalidValue);
    assert_int_equal(df_cuda_convert(DF_F32, x, DF_I32, x, 4, NULL), cudaErrorInvalidValue);
}

static void test_id_outside_the_table(void **state) {
    (void)state;
    const int32_t ids[] = { 1, -1, 2 };
    const float table[] = { 1, 2, 3, 4 };
    float y[6];
    assert_int_equal(df_cuda_embedding(DF_F32, y, ids, table, NULL, 1, 3, 2, 2, NULL), cudaSuccess);
    assert_true(y[0] == 3 && y[1] == 4);
    for (int i = 2; i < 6; i++) assert_true(isnan(y[i]));
}

static bool is_run(const op_case *c) {
    df_graph *g = op_case_graph(c);
    bool launched = node_has_launcher(&g->nodes[0]);
    df_graph_free(&g);
    return launched;
}

int main(void) {
    static struct CMUnitTest tests[400] = {
        cmocka_unit_test(test_other_types_are_refused),
        cmocka_unit_test(test_id_outside_the_table),
    };
    size_t n_tests = 2;
    for (int i = 0; i < n_op_cases; i++)
        if (is_run(&op_cases[i]) && n_tests < sizeof tests / sizeof *tests)
            tests[n_tests++] = (struct CMUnitTest) { op_cases[i].name, test_case, NULL, NULL, (void *)&op_cases[i] };
    return _cmocka_run_group_tests("kernels", tests, n_tests, NULL, NULL);
}

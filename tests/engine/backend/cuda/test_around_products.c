/* The kernels that no node of the graph is by itself, run by the grid simulator: what is left to do behind a library's
 * product, what brings operands into the type, order and size that one wants, and the check of ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/kernels/kernels.h"
#include "engine/backend/reference/reference.h"

enum { ROWS = 3, N_TYPES = 3 };
static const df_dtype types[N_TYPES] = { DF_F32, DF_F16, DF_BF16 };

/* Of one rounding of a result, relative to it or to 1. */
static double bound_of(df_dtype type) {
    return type == DF_F32 ? 1e-6 : type == DF_F16 ? 0x1p-11 : 0x1p-8;
}

/* n numbers of the type in -2..2, 16-byte aligned, or one element behind that. */
typedef struct numbers {
    char *memory;
    void *data;
} numbers;

static numbers random_numbers(df_dtype type, size_t n, uint64_t seed, bool aligned) {
    numbers x = { 0 };
    size_t unit = df_dtype_bytes(type), shift = aligned ? 0 : unit;
    if (posix_memalign((void **)&x.memory, 16, n * unit + shift)) fail_msg("%zu numbers", n);
    x.data = x.memory + shift;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        df_dtype_store(type, x.data, i, ((double)(seed >> 40) * 0x1p-24 - 0.5) * 4);
    }
    return x;
}

typedef struct epilogue_case {
    int64_t positions, channels;
    bool bias, add_channel, residual, over_residual, aligned;
    df_act act;
} epilogue_case;

static const epilogue_case epilogue_cases[] = {
    { 35, 40, true, false, false, false, true, DF_ACT_NONE },
    { 35, 40, true, true, true, false, true, DF_ACT_SILU },
    { 35, 40, true, true, true, true, true, DF_ACT_GELU },
    { 35, 40, true, true, true, false, false, DF_ACT_GELU_TANH },
    { 7, 13, true, true, true, false, true, DF_ACT_QUICK_GELU },
    { 7, 13, false, false, true, true, true, DF_ACT_NONE },
    { 1, 1, false, true, false, false, true, DF_ACT_RELU },
    { 300, 320, true, false, true, false, true, DF_ACT_NONE }, /* more than a block */
};

static void check_epilogue(const epilogue_case *c, df_dtype type) {
    const size_t channels = (size_t)c->channels, row = (size_t)c->positions * channels, n = ROWS * row;
    numbers x = random_numbers(type, n, 1, c->aligned), bias = random_numbers(DF_F32, channels, 2, c->aligned);
    numbers add = random_numbers(type, ROWS * channels, 3, c->aligned),
            residual = random_numbers(type, n, 4, c->aligned);
    numbers kept = random_numbers(type, n, 4, c->aligned), y = random_numbers(type, n, 5, c->aligned);
    void *out = c->over_residual ? residual.data : y.data;
    const df_cuda_epilogue e = { .bias = c->bias ? bias.data : NULL,
                                 .add_channel = c->add_channel ? add.data : NULL,
                                 .act = c->act,
                                 .residual = c->residual ? residual.data : NULL };
    assert_int_equal(df_cuda_apply_epilogue(type, out, x.data, &e, ROWS, c->positions, c->channels, NULL), cudaSuccess);
    for (size_t i = 0; i < n; i++) {
        double want = df_dtype_load(type, x.data, i);
        if (c->bias) want += df_dtype_load(DF_F32, bias.data, i % channels);
        if (c->add_channel) want += df_dtype_load(type, add.data, i / row * channels + i % channels);
        want = df_ref_act(c->act, want);
        if (c->residual) want += df_dtype_load(type, kept.data, i);
        double got = df_dtype_load(type, out, i);
        if (!(fabs(got - want) <= bound_of(type) * fmax(1, fabs(want))))
            fail_msg("%s, case %td: element %zu is %g, must be %g", df_dtype_name(type), c - epilogue_cases, i, got,
                     want);
    }
    numbers all[] = { x, bias, add, residual, kept, y };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i].memory);
}

static void test_epilogue(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof epilogue_cases / sizeof *epilogue_cases; i++)
        for (int t = 0; t < N_TYPES; t++) check_epilogue(&epilogue_cases[i], types[t]);
}

static void check_convert(df_dtype from, df_dtype to, size_t n, bool aligned) {
    numbers x = random_numbers(from, n, 6, aligned), y = random_numbers(to, n, 7, aligned);
    df_dtype_store(from, x.data, 0, INFINITY);
    assert_int_equal(df_cuda_convert(to, y.data, from, x.data, (int64_t)n, NULL), cudaSuccess);
    for (size_t i = 0; i < n; i++) {
        double want = 0;
        df_dtype_store(to, &want, 0, df_dtype_load(from, x.data, i));
        assert_memory_equal((char *)y.data + i * df_dtype_bytes(to), &want, df_dtype_bytes(to));
    }
    free(x.memory);
    free(y.memory);
}

static void test_convert(void **state) {
    (void)state;
    for (int from = 0; from < N_TYPES; from++)
        for (int to = 0; to < N_TYPES; to++) {
            check_convert(types[from], types[to], 4096, true);
            check_convert(types[from], types[to], 77, true);
            check_convert(types[from], types[to], 64, false);
        }
}

static void check_transpose(df_dtype type, size_t height, size_t width) {
    const size_t n = ROWS * height * width, unit = df_dtype_bytes(type);
    numbers x = random_numbers(type, n, 8, true), y = random_numbers(type, n, 9, true);
    assert_int_equal(df_cuda_transpose(type, y.data, x.data, ROWS, (int64_t)height, (int64_t)width, NULL), cudaSuccess);
    for (size_t i = 0; i < n; i++) {
        const size_t row = i / (height * width), h = i / width % height, w = i % width;
        assert_memory_equal((char *)y.data + (row * height * width + w * height + h) * unit, (char *)x.data + i * unit,
                            unit);
    }
    free(x.memory);
    free(y.memory);
}

static void test_transpose(void **state) {
    (void)state;
    static const size_t shapes[][2] = { { 4, 64 }, { 64, 4 }, { 33, 31 }, { 32, 32 }, { 1, 5 }, { 70, 100 } };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int t = 0; t < N_TYPES; t++) check_transpose(types[t], shapes[i][0], shapes[i][1]);
}

typedef struct pad_case {
    size_t h, w, top, left, bottom, right, channels;
    bool aligned;
} pad_case;

static const pad_case pad_cases[] = {
    { 5, 4, 0, 0, 1, 1, 16, true }, { 3, 7, 1, 0, 0, 2, 5, true },  { 1, 1, 2, 3, 0, 1, 8, true },
    { 4, 4, 0, 0, 0, 0, 8, true },  { 6, 5, 1, 2, 3, 4, 8, false },
};

static void check_pad(const pad_case *c, df_dtype type) {
    const size_t to_h = c->h + c->top + c->bottom, to_w = c->w + c->left + c->right;
    const size_t n = ROWS * c->h * c->w * c->channels, to_n = ROWS * to_h * to_w * c->channels;
    numbers x = random_numbers(type, n, 10, c->aligned), y = random_numbers(type, to_n, 11, c->aligned);
    assert_int_equal(df_cuda_pad(type, y.data, x.data, ROWS, (int64_t)c->h, (int64_t)c->w, (int64_t)c->top,
                                 (int64_t)c->left, (int64_t)to_h, (int64_t)to_w, (int64_t)c->channels, NULL),
                     cudaSuccess);
    for (size_t i = 0; i < to_n; i++) {
        const size_t pixel = i / c->channels, row = pixel / (to_h * to_w);
        const size_t v = pixel / to_w % to_h - c->top, u = pixel % to_w - c->left; /* wraps where it is outside */
        const size_t from = ((row * c->h + v) * c->w + u) * c->channels + i % c->channels;
        const bool inside = v < c->h && u < c->w;
        double want = inside ? df_dtype_load(type, x.data, from) : 0;
        if (df_dtype_load(type, y.data, i) != want)
            fail_msg("%s, case %td: element %zu", df_dtype_name(type), c - pad_cases, i);
    }
    free(x.memory);
    free(y.memory);
}

static void test_pad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pad_cases / sizeof *pad_cases; i++)
        for (int t = 0; t < N_TYPES; t++) check_pad(&pad_cases[i], types[t]);
}

/* The first of several wrong ids is noted, over more ids than a block has threads; and the first wrong node. */
static void test_check_ids(void **state) {
    (void)state;
    enum { N = 1000, VOCAB = 50 };
    int32_t ids[N], fault[2] = { 0, 0 };
    for (int i = 0; i < N; i++) ids[i] = i % VOCAB;
    assert_int_equal(df_cuda_check_ids(fault, ids, N, VOCAB, 7, NULL), cudaSuccess);
    assert_int_equal(fault[0], 0);
    ids[500] = -3; /* by a later thread of the block than that of 520 */
    ids[520] = VOCAB;
    ids[999] = VOCAB + 1;
    assert_int_equal(df_cuda_check_ids(fault, ids, N, VOCAB, 7, NULL), cudaSuccess);
    assert_int_equal(fault[0], 7);
    assert_int_equal(fault[1], -3);
    ids[500] = 0;
    assert_int_equal(df_cuda_check_ids(fault, ids, N, VOCAB, 8, NULL), cudaSuccess);
    assert_int_equal(fault[0], 7);
    fault[0] = 0;
    assert_int_equal(df_cuda_check_ids(fault, ids, N, VOCAB, 8, NULL), cudaSuccess);
    assert_int_equal(fault[0], 8);
    assert_int_equal(fault[1], VOCAB);
    fault[0] = 0;
    assert_int_equal(df_cuda_check_ids(fault, ids, 520, VOCAB, 9, NULL), cudaSuccess); /* none within */
    assert_int_equal(fault[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epilogue), cmocka_unit_test(test_convert),   cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_pad),      cmocka_unit_test(test_check_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

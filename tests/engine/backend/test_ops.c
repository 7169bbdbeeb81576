/* The backends that run in the host's memory on the op suite. */
#include "tests/engine/backend/op_suite.h"

#include <string.h>

enum { N_SUBJECTS = 4 };

static op_subject subjects[N_SUBJECTS] = {
    /* sums are in f64, so that one rounding to f32 is all there may be: 2^-24 = 5.96e-8 of the element */
    { .label = "reference", .dtype = DF_F32, .limit = { 6e-8, 6e-8 }, .slow = true },
    /* f32 sums of up to K = 2,880 products of either sign err by about sqrt(K) / 2 roundings (1.6e-6), in an element
     * that cancels by a few times more; polynomial exp and erf stay below a few roundings */
    { .label = "cpu", .dtype = DF_F32, .limit = { 1.5e-6, 1.5e-5 } },
    /* operands and weights are bf16 numbers for both sides, sums are f32: what shows is that a result is rounded to
     * 2^-8 of itself, and that of a convolution or matrix product once more where channels, an activation or a residual
     * come behind it; in the mean of squares a rounding is about half of its bound */
    { .label = "cpu bf16", .dtype = DF_BF16, .limit = { 0x1p-8 * 0.8, 0x1p-8 * 2.1 } },
    /* Winograd's transforms of data and weights, sums of up to 4 and 9 numbers, are rounded to bf16 once each, and a
     * result is the sum of 9 such products: about twice the rounding of the result itself, both together */
    { .label = "cpu bf16, fast-conv", .dtype = DF_BF16, .limit = { 0x1p-8 * 1.3, 0x1p-8 * 6 }, .fast_conv = true },
};

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
    const df_backend *b = NULL;
    df_err err = { 0 };
    assert_null(df_backend_find("abacus"));
    assert_int_equal(df_backend_load(&b, "abacus", &err), DF_EINVAL);
    assert_string_equal(err.text, "there is no backend 'abacus': cpu, cuda or reference");
    assert_ptr_equal(df_backend_find("reference"), &df_backend_reference);
}

static void test_refuses_dtypes(void **state) {
    (void)state;
    op_suite_refuses_dtypes(subjects, N_SUBJECTS);
}

static void test_id_outside_vocabulary(void **state) {
    (void)state;
    op_suite_ids_outside(subjects, N_SUBJECTS);
}

int main(void) {
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(test_every_op_has_a_case),
        cmocka_unit_test(test_unknown_backend),
        cmocka_unit_test(test_refuses_dtypes),
        cmocka_unit_test(test_id_outside_vocabulary),
    };
    subjects[0].backend = &df_backend_reference;
    for (int i = 1; i < N_SUBJECTS; i++) subjects[i].backend = df_backend_find("cpu");
    return op_suite_run("ops", subjects, N_SUBJECTS, fixed, sizeof fixed / sizeof *fixed);
}

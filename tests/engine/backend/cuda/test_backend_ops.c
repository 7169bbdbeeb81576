/* The cuda backend on the op suite, on the doubles of CUDA's libraries. */
#include "tests/engine/backend/op_suite.h"

#include "engine/backend/cuda/backend.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { N_SUBJECTS = 3 };

static const op_subject subjects[N_SUBJECTS] = {
    /* as the cpu backend's, test_ops.c */
    { .label = "cuda",
      .backend = &df_backend_cuda,
      .dtype = DF_F32,
      .limit = { 1.5e-6, 1.5e-5 },
      .slow = true,
      .no_int8 = true,
      .no_threads = true },
    /* as the cpu backend's too, but that cuDNN's result, which is rounded, may be larger than what the bias behind it
     * leaves, and the weights of a softmax are rounded, of which few may add up */
    { .label = "cuda bf16",
      .backend = &df_backend_cuda,
      .dtype = DF_BF16,
      .limit = { 0x1p-8 * 0.8, 0x1p-8 * 2.7 },
      .slow = true,
      .no_int8 = true,
      .no_threads = true },
    /* the same with the three more bits of an f16 */
    { .label = "cuda f16",
      .backend = &df_backend_cuda,
      .dtype = DF_F16,
      .limit = { 0x1p-11 * 0.8, 0x1p-11 * 2.7 },
      .slow = true,
      .no_int8 = true,
      .no_threads = true },
};

static void test_refuses_dtypes(void **state) {
    (void)state;
    op_suite_refuses_dtypes(subjects, N_SUBJECTS);
}

static void test_id_outside_vocabulary(void **state) {
    (void)state;
    op_suite_ids_outside(subjects, N_SUBJECTS);
}

static void test_nothing_is_left(void **state) {
    (void)state;
    assert_string_equal(gpu_double_end(), "");
}

int main(void) {
    const struct CMUnitTest fixed[] = {
        cmocka_unit_test(test_refuses_dtypes),
        cmocka_unit_test(test_id_outside_vocabulary),
    };
    gpu_double_reset(1);
    int failed = op_suite_run("cuda ops", subjects, N_SUBJECTS, fixed, sizeof fixed / sizeof *fixed);
    const struct CMUnitTest last[] = { cmocka_unit_test(test_nothing_is_left) };
    return failed + cmocka_run_group_tests(last, NULL, NULL);
}

/* Advice on the starter model, whose U-Net is too small for eight stages of the same length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/advice.h"

static df_model *starter(void) {
    df_err err;
    df_model *m = NULL;
    if (df_model_open(&m, DF_SOURCE_DIR "/models/starter", &err)) fail_msg("%s", err.text);
    return m;
}

static df_advice_question question(const df_model *m, int n_ranks, int depth) {
    return (df_advice_question) { .model = m,
                                  .backend = &df_backend_cpu,
                                  .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                                  .micro_batch = 1,
                                  .n_ranks = n_ranks,
                                  .depth = depth };
}

static void test_deep_pipeline_of_a_small_model(void **state) {
    (void)state;
    char why[256] = "";
    df_model *m = starter();
    df_advice_question q = question(m, 8, 8);
    assert_true(df_advice_slower(&q, why, sizeof why));
    assert_ptr_equal(strstr(why, "1 pipeline of 8 ranks: "), why);
    assert_non_null(strstr(why, " of the pace of 8 replicas ("));
    df_model_close(&m);
}

static void test_replicas_are_the_best(void **state) {
    (void)state;
    char why[256] = "as it was";
    df_model *m = starter();
    df_advice_question q = question(m, 8, 1);
    assert_false(df_advice_slower(&q, why, sizeof why));
    assert_string_equal(why, "as it was");
    df_model_close(&m);
}

/* Nobody is sent to replicas, or to a lesser depth, that would have no room. */
static void test_no_room_for_anything_else(void **state) {
    (void)state;
    char why[256] = "";
    df_model *m = starter();
    df_advice_question q = question(m, 8, 8);
    q.rank_bytes = 1 << 20;
    assert_false(df_advice_slower(&q, why, sizeof why));
    q.rank_bytes = df_advice_rank_bytes(8);
    assert_true(df_advice_rank_bytes(8) > 0);
    assert_true(df_advice_rank_bytes(1) >= 8 * df_advice_rank_bytes(8));
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_deep_pipeline_of_a_small_model),
                                        cmocka_unit_test(test_replicas_are_the_best),
                                        cmocka_unit_test(test_no_room_for_anything_else) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cost_book.h"
#include "tests/support/golden.h"
#include <cmocka.h>

static const df_graph_size small = { .latent_h = 8, .latent_w = 8 }, large = { .latent_h = 16, .latent_w = 8 };

static void test_pages_go_by_size(void **state) {
    (void)state;
    df_cost_book b = { 0 };
    assert_null(df_cost_book_find(&b, &small, 2));
    assert_int_equal(df_cost_book_put(&b, &small, (double[]) { 1, 2 }, 2, NULL), DF_OK);
    assert_int_equal(df_cost_book_put(&b, &large, (double[]) { 3 }, 1, NULL), DF_OK);
    assert_true(df_cost_book_find(&b, &small, 2)[1] == 2);
    assert_true(df_cost_book_find(&b, &large, 1)[0] == 3);
    assert_null(df_cost_book_find(&b, &small, 3)); /* of another graph */
    assert_int_equal(df_cost_book_put(&b, &small, (double[]) { 4, 5, 6 }, 3, NULL), DF_OK);
    assert_true(df_cost_book_find(&b, &small, 3)[2] == 6);
    assert_int_equal(b.n, 2);
    df_cost_book_free(&b);
    assert_int_equal(b.n, 0);
}

static void test_what_is_no_time_is_refused(void **state) {
    (void)state;
    df_cost_book b = { 0 };
    assert_int_equal(df_cost_book_put(&b, &small, (double[]) { 1, -1 }, 2, NULL), DF_EINVAL);
    assert_int_equal(df_cost_book_put(&b, &small, (double[]) { 0.0 / 0.0 }, 1, NULL), DF_EINVAL);
    assert_int_equal(df_cost_book_put(&b, &small, (double[]) { 1 / 0.0 }, 1, NULL), DF_EINVAL);
    assert_null(df_cost_book_page(&b, &small));
    df_cost_book_free(&b);
}

static void test_learning(void **state) {
    (void)state;
    df_model *m = NULL;
    df_err err;
    df_cost_book b = { 0 };
    df_costs_terms terms = { .cfg = { .mode = DF_COSTS_MODELLED },
                             .backend = df_backend_find("cpu"),
                             .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                             .max_rows = 2 };
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    assert_int_equal(df_cost_book_learn(&b, m, &small, &terms, &err), DF_OK);
    assert_int_equal(b.n, 0);
    terms.cfg.mode = DF_COSTS_MEASURED;
    assert_int_equal(df_cost_book_learn(&b, m, &small, &terms, &err), DF_OK);
    assert_int_equal(b.n, 1);
    const df_cost_page *page = df_cost_book_page(&b, &small);
    double first = page->node_seconds[0];
    assert_int_equal(df_cost_book_learn(&b, m, &small, &terms, &err), DF_OK); /* it is there */
    assert_true(df_cost_book_page(&b, &small)->node_seconds[0] == first);
    const df_graph_size none = { .latent_h = 0, .latent_w = 8 };
    assert_int_not_equal(df_cost_book_learn(&b, m, &none, &terms, &err), DF_OK);
    df_cost_book_free(&b);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_go_by_size),
        cmocka_unit_test(test_what_is_no_time_is_refused),
        cmocka_unit_test(test_learning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

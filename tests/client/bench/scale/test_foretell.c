/* What the simulator says of deeper pipelines, on the starter model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "client/bench/scale/foretell.h"
#include "tests/support/golden.h"

static df_foretell some_foretell(double cores) {
    df_foretell f = { .dtype = DF_F32, .steps = 4, .pictures = 256, .cores = cores };
    df_model *model;
    df_err err;
    if (df_model_open(&model, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    f.model = model;
    return f;
}

static void close_model(df_foretell *f) {
    df_model *model = (df_model *)(uintptr_t)f->model;
    df_model_close(&model);
}

static void two_ranks_are_nearly_twice_as_fast(void **state) {
    (void)state;
    df_foretell f = some_foretell(0);
    double two = df_foretell_pace(&f, 1, 2, 1), four = df_foretell_pace(&f, 1, 4, 1);
    assert_true(df_foretell_pace(&f, 1, 1, 1) == 1);
    assert_true(two > 1.5 && two <= 2);
    assert_true(four > two && four <= 4);
    assert_true(fabs(df_foretell_pace(&f, 1, 4, 2) - four / two) < 1e-9);
    assert_int_equal(f.n_kept, 3); /* each is simulated once */
    close_model(&f);
}

/* With as many workers as cores a second rank has no core of its own. */
static void ranks_share_the_cores_there_are(void **state) {
    (void)state;
    df_foretell f = some_foretell(2);
    double alone = df_foretell_pace(&f, 1, 2, 1), crowded = df_foretell_pace(&f, 2, 2, 1);
    assert_true(alone > 1.5);
    assert_true(crowded > 0.7 && crowded < 1.1);
    close_model(&f);
}

/* A pipeline that has few pictures spends its time on filling and draining. */
static void few_pictures_are_slower(void **state) {
    (void)state;
    df_foretell f = some_foretell(0);
    double many = df_foretell_pace(&f, 1, 4, 1), few = df_foretell_pace(&f, 64, 4, 1);
    assert_true(few < many);
    close_model(&f);
}

static void what_cannot_be_is_not_foretold(void **state) {
    (void)state;
    df_foretell f = some_foretell(0);
    f.width = 63;
    f.height = 64;
    assert_true(df_foretell_pace(&f, 1, 2, 1) == 0);
    close_model(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ranks_are_nearly_twice_as_fast),
        cmocka_unit_test(ranks_share_the_cores_there_are),
        cmocka_unit_test(few_pictures_are_slower),
        cmocka_unit_test(what_cannot_be_is_not_foretold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

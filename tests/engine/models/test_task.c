#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/models/task.h"
#include "tests/support/golden.h"

static void names_and_tasks_belong_together(void **state) {
    (void)state;
    df_task task;
    for (int i = 0; i < DF_TASK_COUNT; i++) {
        assert_true(df_task_named(&task, df_task_name((df_task)i)));
        assert_int_equal(task, i);
    }
    assert_false(df_task_named(&task, "txt2vid"));
}

static void the_starter_draws_from_text(void **state) {
    (void)state;
    df_err err;
    df_model *m = NULL;
    assert_int_equal(df_model_open(&m, golden_source_path("models/starter"), &err), DF_OK);
    assert_int_equal(df_model_default_task(m), DF_TASK_TXT2IMG);
    assert_true(df_model_can(m, DF_TASK_INPAINT));
    assert_false(df_model_can(m, DF_TASK_UPSCALE));
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_tasks_belong_together),
        cmocka_unit_test(the_starter_draws_from_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

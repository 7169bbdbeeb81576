#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cluster/comm_exercise.h"

static void test_one_rank(void **state) {
    (void)state;
    df_comm *c = NULL;
    df_err err;
    assert_int_equal(df_comm_self_open(&c, &err), DF_OK);
    assert_int_equal(c->rank, 0);
    assert_int_equal(c->size, 1);
    assert_int_equal(comm_exercise(c, 0), 0);
    c->ops->idle(c, 100);
    c->ops->close(&c);
    assert_null(c);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_rank) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

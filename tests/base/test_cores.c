#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cores.h"

static int count_of(const cpu_set_t *set) {
    return CPU_COUNT(set);
}

/* Parts are disjoint, none is empty, together they are the mask, and their sizes differ by a core at most. */
static void check_parts(int n) {
    cpu_set_t mask, part, all, both;
    CPU_ZERO(&all);
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    for (int i = 0; i < n; i++) {
        assert_true(df_cores_part(&part, i, n));
        assert_true(count_of(&part) > 0);
        CPU_AND(&both, &all, &part);
        assert_int_equal(count_of(&both), 0);
        CPU_OR(&all, &all, &part);
    }
    assert_true(CPU_EQUAL(&all, &mask));
}

static void test_parts(void **state) {
    (void)state;
    int cores = df_cores_count();
    assert_true(cores >= 1);
    for (int n = 1; n <= cores; n++) check_parts(n);
}

static void test_too_many_parts(void **state) {
    (void)state;
    cpu_set_t part;
    int cores = df_cores_count();
    assert_false(df_cores_part(&part, 0, cores + 1));
    assert_false(df_cores_part(&part, 1, 1));
    assert_false(df_cores_part(&part, -1, 1));
    assert_false(df_cores_part(&part, 0, 0));
    assert_int_equal(df_cores_each(cores + 1), 1);
    assert_int_equal(df_cores_each(1), cores);
}

/* The mask is what counts, not the machine. */
static void test_a_narrow_mask(void **state) {
    (void)state;
    cpu_set_t before, now;
    char text[64], expected[16];
    int cores = df_cores_count();
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_true(df_cores_keep_part(cores - 1, cores));
    assert_int_equal(df_cores_count(), 1);
    assert_false(df_cores_keep_part(0, 2));
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    int first = 0;
    while (!CPU_ISSET(first, &now)) first++;
    snprintf(expected, sizeof expected, "%d", first);
    assert_int_equal(strncmp(df_cores_text(text, sizeof text), expected, strlen(expected)), 0);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(df_cores_count(), cores);
}

static void test_text_that_does_not_fit(void **state) {
    (void)state;
    char small[2];
    df_cores_text(small, sizeof small);
    assert_true(strlen(small) < sizeof small);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parts), cmocka_unit_test(test_too_many_parts),
                                        cmocka_unit_test(test_a_narrow_mask),
                                        cmocka_unit_test(test_text_that_does_not_fit) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "coordinator/map.h"

enum { N = 5000 };

static void many_keys_come_and_go(void **state) {
    (void)state;
    static int values[N];
    df_map map = { 0 };
    char key[16];
    assert_null(df_map_get(&map, "x", 1));
    df_map_remove(&map, "x", 1);
    for (int i = 0; i < N; i++) {
        int n = snprintf(key, sizeof key, "k%d", i);
        assert_true(df_map_put(&map, key, (size_t)n, &values[i]));
    }
    assert_int_equal(map.n, N);
    for (int i = 0; i < N; i += 2) df_map_remove(&map, key, (size_t)snprintf(key, sizeof key, "k%d", i));
    for (int i = 0; i < N; i++) {
        int n = snprintf(key, sizeof key, "k%d", i);
        assert_ptr_equal(df_map_get(&map, key, (size_t)n), i % 2 ? &values[i] : NULL);
    }
    assert_int_equal(map.n, N / 2);
    df_map_free(&map);
    assert_null(df_map_get(&map, "k1", 2));
}

static void keys_are_bytes_and_values_are_replaced(void **state) {
    (void)state;
    int a, b;
    df_map map = { 0 };
    assert_true(df_map_put(&map, "a\0b", 3, &a));
    assert_null(df_map_get(&map, "a", 1));
    assert_true(df_map_put(&map, "a\0b", 3, &b));
    assert_ptr_equal(df_map_get(&map, "a\0b", 3), &b);
    assert_int_equal(map.n, 1);
    df_map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_come_and_go),
        cmocka_unit_test(keys_are_bytes_and_values_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

/* Zeroed, aligned, apart from each other, and where they were first put. */
static void objects_do_not_touch(void **state) {
    (void)state;
    enum { N = 2000 };
    static unsigned char *p[N];
    static size_t size[N];
    df_arena *a = df_arena_new();
    for (size_t i = 0; i < N; i++) {
        size[i] = i % 300 == 299 ? 100000 : i * 7 % 500 + 1;
        p[i] = df_arena_alloc(a, size[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        for (size_t k = 0; k < size[i]; k++) assert_int_equal(p[i][k], 0);
        memset(p[i], (int)(i & 255), size[i]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++) assert_int_equal(p[i][k], i & 255);
    df_arena_free(&a);
    assert_null(a);
}

static void copies_and_formats(void **state) {
    (void)state;
    df_arena *a = df_arena_new();
    char text[] = "abc";
    char *copy = df_arena_strdup(a, text);
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(df_arena_printf(a, "%s/%d", "dir", 42), "dir/42");
    assert_string_equal(df_arena_printf(a, "%s", ""), "");
    assert_int_equal(strlen(df_arena_printf(a, "%*d", 200000, 1)), 200000);
    df_arena_free(&a);
}

static void impossible_sizes_return_null(void **state) {
    (void)state;
    df_arena *a = df_arena_new();
    assert_null(df_arena_alloc(a, SIZE_MAX));
    assert_null(df_arena_alloc(a, SIZE_MAX - 15));
    assert_non_null(df_arena_alloc(a, 0));
    assert_non_null(df_arena_alloc(a, 1));
    df_arena_free(&a);
    df_arena_free(&a);
    df_arena_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_do_not_touch),
        cmocka_unit_test(copies_and_formats),
        cmocka_unit_test(impossible_sizes_return_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

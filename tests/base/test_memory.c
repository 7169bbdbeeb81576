#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void the_peak_is_kept(void **state) {
    enum { BYTES = 64 << 20 };
    (void)state;
    int64_t before = df_memory_peak_bytes();
    assert_true(before > 0);
    volatile char *block = malloc(BYTES);
    assert_non_null(block);
    for (size_t i = 0; i < BYTES; i += 4096) block[i] = 1;
    free((void *)(uintptr_t)block);
    assert_true(df_memory_peak_bytes() >= before + BYTES / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_peak_is_kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

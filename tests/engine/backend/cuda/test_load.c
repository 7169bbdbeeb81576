/* The library diffarm_cuda itself, as a program gets it. Where there is no GPU it says so in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/backend/backend.h"

static const df_backend *cuda(void) {
    const df_backend *b = NULL;
    df_err err = { 0 };
    if (df_backend_load(&b, "cuda", &err)) fail_msg("%s", err.text);
    return b;
}

static df_code try_open(const df_backend *b, df_backend_cfg cfg, df_err *err) {
    void *ctx = NULL;
    df_code rc = b->open(&ctx, &cfg, err);
    if (!rc) b->close(&ctx);
    assert_null(ctx);
    return rc;
}

static void test_it_is_a_backend_with_memory_of_its_own(void **state) {
    (void)state;
    const df_backend *b = cuda();
    assert_string_equal(b->name, "cuda");
    assert_non_null(b->space);
    assert_null(b->n_lanes);
    assert_ptr_equal(df_backend_find("cuda"), b);
}

static void test_it_opens_or_says_why_not(void **state) {
    (void)state;
    df_err err = { 0 };
    if (!try_open(cuda(), (df_backend_cfg) { .dtype = DF_F16 }, &err)) return; /* a GPU */
    assert_int_equal(err.code, DF_EUNSUPPORTED);
    assert_ptr_equal(strstr(err.text, "backend cuda: "), err.text);
    assert_null(strchr(err.text, '\n'));
}

/* Before it looks for a GPU. */
static void test_what_it_never_computes(void **state) {
    (void)state;
    df_err err = { 0 };
    assert_int_equal(try_open(cuda(), (df_backend_cfg) { .dtype = DF_F64 }, &err), DF_EUNSUPPORTED);
    assert_string_equal(err.text, "backend cuda computes in F32, F16 or BF16, not in F64");
    assert_int_equal(try_open(cuda(), (df_backend_cfg) { .dtype = DF_BF16, .int8 = true }, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "8 bits"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_a_backend_with_memory_of_its_own),
        cmocka_unit_test(test_it_opens_or_says_why_not),
        cmocka_unit_test(test_what_it_never_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

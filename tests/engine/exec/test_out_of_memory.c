/* Every allocation from a graph to a running stage fails once: the error is DF_ENOMEM, nothing crashes, and (under
 * AddressSanitizer) nothing leaks. The allocators are wrapped by the linker, see CMakeLists.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/graph/fuse.h"
#include "tests/engine/graph/graph_fixture.h"

static int until_failure = -1; /* allocations that still succeed; -1: all */

static bool fails(void) {
    if (until_failure < 0) return false;
    if (until_failure == 0) return true; /* and all that follow */
    until_failure--;
    return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t n);

void *__wrap_malloc(size_t n) {
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
    return fails() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t n) {
    return fails() ? NULL : __real_aligned_alloc(align, n);
}

/* Enough nodes that every array has to grow. */
static df_code build(df_graph **out, df_err *err) {
    df_graph *g = df_graph_new("g");
    if (!g) return df_err_set(err, DF_ENOMEM, "graph");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8)), y = x;
    for (int i = 0; i < 20; i++) {
        y = df_g_linear(g, df_graph_name(g, "%d", i), y, 8, false);
        df_graph_output(g, df_graph_name(g, "out.%d", i), y);
    }
    y = df_g_add(g, "+", df_g_attention(g, "attention", y, y, x, 2, false), x);
    df_graph_output(g, "out", y);
    df_code rc = df_graph_finish(g, err);
    if (!rc) rc = df_graph_fuse(g, err);
    if (rc)
        df_graph_free(&g);
    else
        *out = g;
    return rc;
}

static df_code run(const df_graph *g, const df_cut *cut, const df_weights *weights, df_err *err) {
    df_stage *s = NULL;
    df_stage_cfg cfg = { .graph = g,
                         .cut = cut,
                         .weights = weights,
                         .backend = &df_backend_reference,
                         .backend_cfg = { .dtype = DF_F32, .threads = 1 } };
    df_code rc = df_stage_open(&s, &cfg, err);
    if (rc) return rc;
    rc = df_stage_reserve(s, 2, 2, err);
    if (!rc) rc = df_stage_prepare(s, 1, err);
    if (!rc) {
        fixture_fill_input(g, 0, 0, 1, DF_F32, df_stage_value(s, 0, g->inputs[0].value, 1));
        int left = until_failure;
        until_failure = 0; /* a run allocates nothing */
        rc = df_stage_run(s, 0, 0, 1, err);
        until_failure = left;
        assert_int_equal(rc, DF_OK);
    }
    df_stage_close(&s);
    return rc;
}

static df_code everything(const df_weights *weights, df_err *err) {
    df_graph *g = NULL;
    df_cut *cut = NULL;
    df_code rc = build(&g, err);
    if (!rc) rc = df_cut_whole(&cut, g, err);
    if (!rc) rc = run(g, cut, weights, err);
    df_cut_free(&cut);
    df_graph_free(&g);
    return rc;
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    df_err err = { 0 };
    df_graph *g = NULL;
    assert_int_equal(build(&g, &err), DF_OK);
    df_weights *weights = fixture_weights(g, NULL, 0);
    df_graph_free(&g);
    int n = 0;
    for (df_code rc = DF_ENOMEM; rc; n++) {
        err = (df_err) { 0 };
        until_failure = n;
        rc = everything(weights, &err);
        until_failure = -1;
        if (rc && rc != DF_ENOMEM) fail_msg("allocation %d: %s: %s", n, df_code_name(rc), err.text);
        assert_int_equal(err.code, rc);
    }
    assert_true(n > 100);
    df_weights_close(&weights);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation_may_fail) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

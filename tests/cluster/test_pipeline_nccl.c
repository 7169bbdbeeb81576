/* Pipelines whose ranks talk over the NCCL transport, on the doubles of NCCL and of the runtime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "tests/cluster/nccl_double.h"
#include "tests/cluster/nccl_farm.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { DEPTH_MOST = 4, PICTURES = NCCL_FARM_PICTURES, SIDE = 64, LATENT_SIDE = 16 };

static int reset(void **state) {
    (void)state;
    nccl_double_reset();
    gpu_double_reset(7);
    return 0;
}

static int no_faults(void **state) {
    (void)state;
    if (*gpu_double_fault()) print_error("%s\n", gpu_double_fault());
    return *gpu_double_fault() || nccl_double_n_open() ? -1 : 0;
}

static void test_same_pictures_as_over_threads(void **state) {
    (void)state;
    df_request q[PICTURES];
    df_model *m = thread_farm_starter();
    album one = { 0 };
    nccl_farm_requests(m, SIDE, 2, q);
    album_render(m, &(album_setup) { &df_backend_cpu, 1, 2, 1, DF_F32 }, q, PICTURES, &one);
    for (int depth = 1; depth <= DEPTH_MOST; depth++) {
        const album_setup setup = { &df_backend_cpu, depth, 2, 3, DF_F32 };
        album over = { .comms = nccl_farm_open };
        nccl_double_reset();
        gpu_double_reset((unsigned)depth);
        album_render(m, &setup, q, PICTURES, &over);
        for (int i = 0; i < PICTURES; i++) album_assert_same(&one.shot[i], &over.shot[i], i, &setup);
        assert_int_equal(nccl_double_n_moved() > 0, depth > 1);
        assert_string_equal(gpu_double_fault(), "");
        album_free(&over);
    }
    album_free(&one);
    df_model_close(&m);
}

/* NCCL reports an error in the middle of a pass: rank 0 has it in a line, the others end, nobody waits. */
static void test_an_error_of_nccl_breaks_the_pipeline(void **state) {
    (void)state;
    const df_pipeline_cfg cfg = {
        .backend = &df_backend_cpu, .backend_cfg = { .dtype = DF_F32, .threads = 1 }, .max_rows = 2, .n_slots = 2
    };
    df_model *m = thread_farm_starter();
    thread_farm f;
    df_err err = { 0 };
    int program;
    thread_farm_open_over(&f, nccl_farm_open, m, 3, &cfg, false);
    if (df_pipeline_load(f.pipeline, DF_UNET, LATENT_SIDE, LATENT_SIDE, &program, &err)) fail_msg("%s", err.text);
    if (thread_farm_run(&f, 0, program, 2, &err)) fail_msg("%s", err.text);
    nccl_double_break(2, ncclRemoteError);
    int64_t start = df_clock_ms();
    assert_int_equal(thread_farm_run(&f, 1, program, 2, &err), DF_EUNREACHABLE);
    assert_true(strstr(err.text, "remote process exited") || strstr(err.text, "is gone")); /* who notices first */
    assert_null(strchr(err.text, '\n'));
    assert_true(df_pipeline_is_broken(f.pipeline));
    thread_farm_close(&f);
    assert_true(df_clock_ms() - start < 20000);
    for (int i = 1; i < 3; i++) assert_int_equal(f.rank[i].rc, DF_EUNREACHABLE);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_pictures_as_over_threads, reset, no_faults),
        cmocka_unit_test_setup_teardown(test_an_error_of_nccl_breaks_the_pipeline, reset, no_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Pictures of the starter model by the cuda backend on the doubles of CUDA's libraries: the cpu backend's but for one
 * level, and the same bytes for every depth of a pipeline, micro-batch, transport and order of streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/comm_staged.h"
#include "engine/backend/cuda/backend.h"
#include "tests/cluster/nccl_double.h"
#include "tests/cluster/nccl_farm.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { PICTURES = NCCL_FARM_PICTURES, SIDE = 32 };

static df_code open_staged(df_comm **out, int size, df_err *err) {
    const df_comm_staged_cfg cfg = { .cuda = &gpu_double };
    df_code rc = df_comm_threads_open(out, size, err);
    for (int i = 0; i < size && !rc; i++) rc = df_comm_staged_open(&out[i], &cfg, err);
    return rc;
}

static void render(const album_setup *s, thread_farm_comm_fn *comms, unsigned seed, album *out) {
    df_request q[PICTURES];
    df_model *m = thread_farm_starter();
    nccl_farm_requests(m, SIDE, 1, q);
    nccl_double_reset();
    gpu_double_reset(seed);
    *out = (album) { .comms = comms };
    album_render(m, s, q, PICTURES, out);
    df_model_close(&m);
    assert_string_equal(gpu_double_end(), "");
    assert_int_equal(nccl_double_n_open(), 0);
}

static void assert_within(const album *a, const album *b, int levels) {
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(a->shot[i].n_images, 1);
        assert_int_equal(b->shot[i].n_images, 1);
        for (int p = 0; p < 3 * SIDE * SIDE; p++)
            if (abs(a->shot[i].rgb[p] - b->shot[i].rgb[p]) > levels)
                fail_msg("picture %d, byte %d: %d, not %d", i, p, b->shot[i].rgb[p], a->shot[i].rgb[p]);
    }
}

static void test_as_the_cpu(void **state) {
    (void)state;
    album cpu, cuda;
    render(&(album_setup) { &df_backend_cpu, 1, 2, 1, DF_F32 }, NULL, 1, &cpu);
    render(&(album_setup) { &df_backend_cuda, 1, 2, 1, DF_F32 }, NULL, 1, &cuda);
    assert_within(&cpu, &cuda, 1);
    album_free(&cpu);
    album_free(&cuda);
}

static const struct way {
    int depth, micro_batch, n_slots;
    thread_farm_comm_fn *comms;
    unsigned seed;
} ways[] = {
    { 1, 3, 1, NULL, 2 },
    { 1, 1, 2, NULL, 3 },
    { 2, 2, 3, NULL, 4 },
    { 3, 1, 4, NULL, 5 },
    { 4, 2, 4, NULL, 6 },
    { 2, 2, 3, open_staged, 7 },
    { 3, 1, 4, open_staged, 8 },
    { 4, 2, 4, open_staged, 9 },
    { 2, 2, 3, nccl_farm_open, 10 },
    { 3, 1, 4, nccl_farm_open, 11 },
    { 4, 2, 4, nccl_farm_open, 12 },
    { 4, 2, 4, nccl_farm_open, 13 },
};

static void check_ways(df_dtype dtype, size_t every) {
    album first;
    render(&(album_setup) { &df_backend_cuda, 1, 2, 1, dtype }, NULL, 1, &first);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w += every) {
        const album_setup setup = { &df_backend_cuda, ways[w].depth, ways[w].micro_batch, ways[w].n_slots, dtype };
        album a;
        render(&setup, ways[w].comms, ways[w].seed, &a);
        for (int i = 0; i < PICTURES; i++) album_assert_same(&first.shot[i], &a.shot[i], i, &setup);
        album_free(&a);
    }
    album_free(&first);
}

static void test_every_way_the_same_bytes(void **state) {
    (void)state;
    check_ways(DF_F32, 1);
}

static void test_the_same_bytes_in_bf16(void **state) {
    (void)state;
    check_ways(DF_BF16, 4);
}

/* NCCL reports an error in the middle of a pass: rank 0 has it in a line, the others end, nobody waits, nothing stays.
 */
static void test_a_dead_peer_ends_the_pipeline(void **state) {
    (void)state;
    const df_pipeline_cfg cfg = {
        .backend = &df_backend_cuda, .backend_cfg = { .dtype = DF_F32 }, .max_rows = 2, .n_slots = 2
    };
    thread_farm f;
    df_err err = { 0 };
    int program;
    nccl_double_reset();
    gpu_double_reset(21);
    df_model *m = thread_farm_starter();
    thread_farm_open_over(&f, nccl_farm_open, m, 3, &cfg, false);
    if (df_pipeline_load(f.pipeline, DF_UNET, SIDE / 4, SIDE / 4, &program, &err)) fail_msg("%s", err.text);
    if (thread_farm_run(&f, 0, program, 2, &err)) fail_msg("%s", err.text);
    nccl_double_break(2, ncclRemoteError);
    assert_int_equal(thread_farm_run(&f, 1, program, 2, &err), DF_EUNREACHABLE);
    assert_null(strchr(err.text, '\n'));
    assert_true(df_pipeline_is_broken(f.pipeline));
    thread_farm_close(&f);
    for (int i = 1; i < 3; i++) assert_int_equal(f.rank[i].rc, DF_EUNREACHABLE);
    df_model_close(&m);
    assert_string_equal(gpu_double_end(), "");
    assert_int_equal(nccl_double_n_open(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_cpu),
        cmocka_unit_test(test_every_way_the_same_bytes),
        cmocka_unit_test(test_the_same_bytes_in_bf16),
        cmocka_unit_test(test_a_dead_peer_ends_the_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Costs as a file: what is written is read again, and what is wrong is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "client/simulate/costs_file.h"
#include "tests/support/golden.h"

static const char *path_of(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", golden_temp_dir(), name);
    return path;
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    df_pipesim_segment segments[] = { { 0, 0.001, 0.25 }, { 1, 0, 1.0 / 3 } }, decoder = { 1, 0, 2 };
    df_pipesim_edge edges[] = { { 0, 1, 4096 }, { 1, 2, 12345 } }, back[] = { { -1, 0, 7 }, { 0, 1, 8 } };
    int64_t memory[] = { INT64_C(5000000000), 7 };
    const df_pipesim_costs out = { .n_ranks = 2,
                                   .n_halves = 2,
                                   .program[DF_DENOISER] = { segments, edges, 2, 2 },
                                   .program[DF_VAE_DECODER] = { &decoder, back, 1, 2 },
                                   .thread = { 1e-3, 2e-3, 3e-6, 4e-10 },
                                   .memory_bytes = memory };
    df_pipesim_costs in;
    df_err err = { 0 };
    const char *path = path_of("costs.json");
    assert_int_equal(df_costs_file_write(&out, path, &err), DF_OK);
    if (df_costs_file_read(&in, path, &err)) fail_msg("%s", err.text);
    assert_int_equal(in.n_ranks, 2);
    assert_int_equal(in.n_halves, 2);
    assert_memory_equal(&in.thread, &out.thread, sizeof in.thread);
    assert_memory_equal(in.memory_bytes, memory, sizeof memory);
    assert_int_equal(in.program[DF_DENOISER].n_segments, 2);
    assert_int_equal(in.program[DF_DENOISER].segments[1].rank, 1);
    assert_true(in.program[DF_DENOISER].segments[0].seconds == 0.001);
    assert_true(in.program[DF_DENOISER].segments[1].row_seconds - 1.0 / 3 < 1e-12);
    assert_int_equal(in.program[DF_VAE_DECODER].n_edges, 2);
    assert_int_equal(in.program[DF_VAE_DECODER].edges[0].from_segment, -1);
    assert_true(in.program[DF_DENOISER].edges[1].row_bytes == 12345);
    assert_int_equal(in.program[DF_TEXT_ENCODER].n_segments, 0);
    df_pipesim_costs_free(&in);
}

#define THREAD                                                                                                         \
    "\"thread\":{\"prepare_row_seconds\":0,\"finish_row_seconds\":0,\"message_seconds\":0,\"byte_seconds\":0}"
#define UNET(segment, edge)                                                                                            \
    "{\"ranks\":2," THREAD ",\"programs\":[{\"component\":\"unet\",\"segments\":[" segment "],\"edges\":[" edge "]}]}"
#define SEGMENT "{\"rank\":0,\"seconds\":0,\"row_seconds\":1}"

static const struct {
    const char *text, *says;
} bad[] = {
    { "{", "line 1" },
    { "[]", "ranks is missing" },
    { "{\"ranks\":2.5}", "ranks is missing, or no whole number from 1" },
    { "{\"ranks\":0}", "no whole number from 1 to 1024" },
    { "{\"ranks\":99999999999}", "no whole number from 1 to 1024" },
    { "{\"ranks\":2,\"halves\":3}", "halves is missing, or no whole number from 1 to 2" },
    { "{\"ranks\":3,\"halves\":2}", "halves are of an odd number of ranks" },
    { "{\"ranks\":2}", "thread.prepare_row_seconds is missing" },
    { "{\"ranks\":2," THREAD "}", "programs is missing" },
    { "{\"ranks\":2," THREAD ",\"programs\":[]}", "no segments of the unet" },
    { "{\"ranks\":2," THREAD ",\"programs\":[{}]}", "programs[0].component is none" },
    { "{\"ranks\":2," THREAD ",\"programs\":[],\"memory_bytes\":[1]}", "memory_bytes is not a list of one number" },
    { "{\"ranks\":2," THREAD ",\"programs\":[],\"memory_bytes\":[1,\"x\"]}", "no number of bytes" },
    { UNET("{\"rank\":0}", ""), "programs[0].segments[0].seconds is missing" },
    { UNET("{\"rank\":2,\"seconds\":0,\"row_seconds\":1}", ""), "segment 0: rank 2, there are ranks 0 to 1" },
    { UNET("{\"rank\":0,\"seconds\":0,\"row_seconds\":-1}", ""), "row_seconds is missing, or no number from 0" },
    { UNET(SEGMENT, "{\"from\":0,\"to\":0,\"row_bytes\":1}"), "it must lead forward" },
    { UNET(SEGMENT, "{\"from\":0,\"to\":1,\"row_bytes\":1}"), "both are on rank 0" },
    { UNET(SEGMENT, "{\"from\":-2,\"to\":1,\"row_bytes\":1}"),
      "programs[0].edges[0].from is missing, or no whole number from -1" },
    { UNET(SEGMENT, "{\"from\":-1,\"to\":1,\"row_bytes\":\"many\"}"), "row_bytes is missing, or no number" },
};

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_pipesim_costs c;
        df_err err = { 0 };
        const char *path = path_of("bad.json");
        assert_int_equal(df_file_write(path, bad[i].text, strlen(bad[i].text), &err), DF_OK);
        assert_int_not_equal(df_costs_file_read(&c, path, &err), DF_OK);
        if (!strstr(err.text, bad[i].says) || !strstr(err.text, path))
            fail_msg("'%s' does not say '%s'", err.text, bad[i].says);
    }
}

static void a_component_comes_once(void **state) {
    (void)state;
    static const char text[] = "{\"ranks\":1," THREAD ",\"programs\":["
                               "{\"component\":\"unet\",\"segments\":[" SEGMENT "],\"edges\":[]},"
                               "{\"component\":\"unet\",\"segments\":[" SEGMENT "],\"edges\":[]}]}";
    df_pipesim_costs c;
    df_err err = { 0 };
    const char *path = path_of("twice.json");
    assert_int_equal(df_file_write(path, text, sizeof text - 1, &err), DF_OK);
    assert_int_equal(df_costs_file_read(&c, path, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "programs[1].component comes a second time"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_component_comes_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

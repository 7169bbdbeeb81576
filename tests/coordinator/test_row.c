#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coordinator/png_check.h"
#include "coordinator/row.h"
#include "coordinator/row_extras.h"
#include "tests/coordinator/bench.h"

static void names_that_stay_in_out_are_taken(void **state) {
    (void)state;
    static const char *const good[] = {
        "a",     "cats/0001",          "a b/c d",        "gr\xc3\xbcn", "images/cat", "images/000000/cat",
        "x.png", "deep/er/and/deeper", "metadata.jsonl", "a..b",        "shard"
    };
    df_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (df_row_check_name(good[i], &err)) fail_msg("%s: %s", good[i], err.text);
}

static void hostile_names_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "/",
        ".",
        "./a",
        "a/.",
        ".hidden",
        "a/.diffarm",
        ".diffarm/job",
        "a\nb",
        "a\x7f",
        "\xff",
        "a\\b",
        "a.png/b",
        "metadata.jsonl/x",
        "job.json/x",
        "runs.jsonl/x",
        "shard-000000.tar/x",
        "images/000000/00000001",
        "images/000012/000123456",
    };
    df_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (df_row_check_name(bad[i], &err) != DF_EINVAL) fail_msg("\"%s\" was taken", bad[i]);
        assert_true(err.text[0]);
    }
    char *longer = calloc(1, 3000);
    memset(longer, 'a', 201);
    assert_int_equal(df_row_check_name(longer, &err), DF_EINVAL);
    longer[200] = '\0';
    assert_int_equal(df_row_check_name(longer, &err), DF_OK);
    for (int i = 0; i < 1025; i++) longer[i] = i % 2 ? '/' : 'a';
    assert_int_equal(df_row_check_name(longer, &err), DF_EINVAL);
    free(longer);
}

static void paths_are_numbered_or_named(void **state) {
    (void)state;
    char path[DF_ROW_PATH_BYTES];
    assert_string_equal(df_row_path(path, 0, ""), "images/000000/00000000.png");
    assert_string_equal(df_row_path(path, 1234567, ""), "images/001234/01234567.png");
    assert_string_equal(df_row_path(path, 7, "cats/7"), "cats/7.png");
}

typedef void (*spoil_fn)(Diffarm__Row *row);
static void spoil_size(Diffarm__Row *r) {
    r->width = 0;
}
static void spoil_side(Diffarm__Row *r) {
    r->height = 1u << 31;
}
static void spoil_steps(Diffarm__Row *r) {
    r->steps = 0;
}
static void spoil_guidance(Diffarm__Row *r) {
    r->guidance = NAN;
}
static void spoil_seed(Diffarm__Row *r) {
    r->seed = UINT64_MAX;
}
static void spoil_prompt(Diffarm__Row *r) {
    r->prompt = (char *)"\xc3\x28";
}
static void spoil_row(Diffarm__Row *r) {
    r->row = UINT64_MAX;
}

static void impossible_rows_are_refused_with_their_line(void **state) {
    (void)state;
    static const spoil_fn spoil[] = { spoil_size, spoil_side,   spoil_steps, spoil_guidance,
                                      spoil_seed, spoil_prompt, spoil_row };
    Diffarm__Row wire;
    df_row row;
    df_err err;
    df_arena *arena = df_arena_new();
    assert_non_null(arena);
    bench_row(&wire, 4);
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_OK);
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        bench_row(&wire, 4);
        spoil[i](&wire);
        assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
        assert_memory_equal(err.text, "line 5: ", 8);
    }
    df_arena_free(&arena);
}

/* A wire row that asks for everything. */
static void full_row(Diffarm__Row *r) {
    static Diffarm__Input image = DIFFARM__INPUT__INIT, mask = DIFFARM__INPUT__INIT,
                          files[3] = { DIFFARM__INPUT__INIT, DIFFARM__INPUT__INIT, DIFFARM__INPUT__INIT };
    static Diffarm__Adapter adapters[3] = { DIFFARM__ADAPTER__INIT, DIFFARM__ADAPTER__INIT, DIFFARM__ADAPTER__INIT };
    static Diffarm__Adapter *list[3] = { &adapters[0], &adapters[1], &adapters[2] };
    static char sha[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    bench_row(r, 4);
    image.path = (char *)"/in/a \"b\".png";
    mask.path = (char *)"/in/m.png";
    files[0].path = (char *)"/l/x.safetensors";
    files[1].path = (char *)"/l/cat.safetensors";
    files[2].path = (char *)"/m/diffarm-int8.json";
    image.sha256 = mask.sha256 = files[0].sha256 = files[1].sha256 = files[2].sha256 = sha;
    adapters[0].kind = DIFFARM__ADAPTER__KIND__LORA;
    adapters[0].file = &files[0];
    adapters[0].weight = 0.75;
    adapters[1].kind = DIFFARM__ADAPTER__KIND__EMBEDDING;
    adapters[1].file = &files[1];
    adapters[1].name = (char *)"<cat>";
    adapters[2].kind = DIFFARM__ADAPTER__KIND__INT8_SCALES;
    adapters[2].file = &files[2];
    r->task = (char *)"inpaint";
    r->image = &image;
    r->mask = &mask;
    r->strength = 0.6;
    r->eta = 0.3;
    r->adapters = list;
    r->n_adapters = 3;
}

static void what_a_task_asks_for_comes_back(void **state) {
    (void)state;
    Diffarm__Row wire, back = DIFFARM__ROW__INIT;
    df_row row;
    df_err err;
    df_arena *arena = df_arena_new();
    full_row(&wire);
    if (df_row_from_wire(&row, &wire, arena, &err)) fail_msg("%s", err.text);
    if (df_row_to_wire(&back, &row, arena, &err)) fail_msg("%s", err.text);
    assert_string_equal(back.image->path, wire.image->path);
    assert_string_equal(back.mask->sha256, wire.mask->sha256);
    assert_true(back.strength == 0.6 && back.eta == 0.3 && back.guidance_rescale == 0);
    assert_int_equal(back.n_adapters, 3);
    assert_int_equal(back.adapters[0]->kind, DIFFARM__ADAPTER__KIND__LORA);
    assert_true(back.adapters[0]->weight == 0.75);
    assert_string_equal(back.adapters[1]->name, "<cat>");
    assert_string_equal(back.adapters[1]->file->path, "/l/cat.safetensors");
    assert_int_equal(back.adapters[2]->kind, DIFFARM__ADAPTER__KIND__INT8_SCALES);
    assert_string_equal(back.adapters[2]->file->sha256, wire.adapters[2]->file->sha256);

    json_t *shown = df_row_extras_metadata(row.extras);
    assert_string_equal(json_string_value(json_object_get(shown, "input_image")), "a \"b\".png");
    json_t *lora = json_array_get(json_object_get(shown, "lora"), 0);
    assert_string_equal(json_string_value(json_object_get(lora, "file")), "x.safetensors");
    json_t *scales = json_array_get(json_object_get(shown, "int8_scales"), 0);
    assert_string_equal(json_string_value(json_object_get(scales, "file")), "diffarm-int8.json");
    assert_null(json_object_get(scales, "weight"));
    json_decref(shown);
    df_arena_free(&arena);
}

/* LDM super-resolution has no noise level: its rows must not show one. */
static void zeros_are_left_out(void **state) {
    (void)state;
    Diffarm__Row wire, back;
    df_row row;
    df_arena *arena = df_arena_new();
    bench_row(&wire, 4);
    wire.task = (char *)"upscale";
    assert_int_equal(df_row_from_wire(&row, &wire, arena, NULL), DF_OK);
    assert_string_equal(row.extras, "");
    wire.noise_level = 20;
    assert_int_equal(df_row_from_wire(&row, &wire, arena, NULL), DF_OK);
    assert_string_equal(row.extras, "{\"noise_level\":20}");
    assert_int_equal(df_row_to_wire(&back, &row, arena, NULL), DF_OK);
    assert_int_equal(back.noise_level, 20);
    df_arena_free(&arena);
}

static void impossible_inputs_are_refused(void **state) {
    (void)state;
    Diffarm__Row wire;
    df_row row;
    df_err err;
    df_arena *arena = df_arena_new();
    full_row(&wire);
    wire.image->path = (char *)"relative.png";
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    full_row(&wire);
    wire.mask->sha256 = (char *)"abc";
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    full_row(&wire);
    wire.strength = 1.5;
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    full_row(&wire);
    wire.adapters[0]->weight = (double)NAN;
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    full_row(&wire);
    wire.adapters[1]->kind = DIFFARM__ADAPTER__KIND__KIND_UNSPECIFIED;
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    full_row(&wire);
    wire.n_adapters = DF_ROW_MAX_ADAPTERS + 1;
    assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_EINVAL);
    df_arena_free(&arena);
}

static df_code check(const void *png, size_t bytes, uint32_t width, uint32_t height, df_err *err) {
    df_png_look look;
    df_png_look_at(&look, png, bytes);
    return df_png_look_check(&look, width, height, err);
}

static void only_a_png_of_the_right_size_passes(void **state) {
    (void)state;
    uint8_t png[BENCH_PNG_BYTES];
    df_err err;
    bench_png(png, 1, 512, 768);
    assert_int_equal(check(png, sizeof png, 512, 768, &err), DF_OK);
    assert_int_equal(check(png, sizeof png, 768, 512, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "512x768"));
    assert_int_equal(check(png, 20, 512, 768, &err), DF_EFORMAT);
    assert_int_equal(check(NULL, 0, 512, 768, &err), DF_EFORMAT);
    for (size_t n = 0; n < sizeof png; n++) { /* cut anywhere, changed anywhere */
        assert_int_equal(check(png, n, 512, 768, &err), DF_EFORMAT);
        png[n] ^= 0x20;
        assert_int_equal(check(png, sizeof png, 512, 768, &err), DF_EFORMAT);
        png[n] ^= 0x20;
    }
    uint8_t longer[BENCH_PNG_BYTES + 1] = { 0 };
    memcpy(longer, png, sizeof png);
    assert_int_equal(check(longer, sizeof longer, 512, 768, &err), DF_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_stay_in_out_are_taken),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(paths_are_numbered_or_named),
        cmocka_unit_test(impossible_rows_are_refused_with_their_line),
        cmocka_unit_test(what_a_task_asks_for_comes_back),
        cmocka_unit_test(zeros_are_left_out),
        cmocka_unit_test(impossible_inputs_are_refused),
        cmocka_unit_test(only_a_png_of_the_right_size_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

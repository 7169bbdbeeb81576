#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cluster/renderer.h"
#include "engine/config/json_config.h"
#include "engine/image/png_io.h"
#include "tests/cluster/album.h"
#include "tests/cluster/thread_farm.h"
#include "tests/support/golden.h"

static df_request request_of(const df_model *m, const char *scheduler, int steps, double guidance, uint64_t seed) {
    df_request q = { .prompt = "red apple", .negative = "", .seed = seed, .steps = steps, .guidance = guidance };
    df_err err;
    if (df_scheduler_named(&q.scheduler, scheduler, df_model_scheduler_path(m), &err)) fail_msg("%s", err.text);
    return q;
}

/* Every request differs from its neighbours in scheduler, steps, guidance, size or prompt. */
static int mixed_requests(const df_model *m, df_request *q) {
    int n = 0;
    q[n++] = request_of(m, "ddim", 3, 4, 1);
    q[n++] = request_of(m, "euler_a", 2, 1, 2); /* one model row; noise in every step */
    q[n++] = request_of(m, "pndm", 2, 5, 3); /* more evaluations than steps */
    q[n++] = request_of(m, "dpmpp_2m_karras", 4, 4, 4);
    q[n] = request_of(m, "ddpm", 2, 3, 5);
    q[n].prompt = "octopus";
    q[n++].negative = "blue";
    q[n] = request_of(m, "euler", 2, 4, 6);
    q[n].width = 48;
    q[n++].height = 80;
    q[n] = request_of(m, "euler", 3, 4, 6);
    q[n].width = 48;
    q[n++].height = 80;
    q[n] = request_of(m, "dpmpp_2m", 1, 0.5, 7); /* no guidance below 1 */
    q[n++].prompt = "ghost";
    return n;
}

static bool has_bf16(void) {
    return !df_backend_can_compute_in(&df_backend_cpu, DF_BF16, NULL);
}

static void check_same_bytes(df_model *m, df_dtype dtype) {
    const album_setup setups[] = {
        { &df_backend_cpu, 1, 8, 1, dtype }, { &df_backend_cpu, 1, 3, 2, dtype }, { &df_backend_cpu, 2, 4, 3, dtype },
        { &df_backend_cpu, 3, 2, 4, dtype }, { &df_backend_cpu, 4, 1, 6, dtype }, { &df_backend_cpu, 4, 5, 2, dtype },
    };
    df_request q[ALBUM_MOST];
    int n = mixed_requests(m, q);
    album alone = { 0 };
    for (int i = 0; i < n; i++) {
        album one = { 0 };
        album_render(m, &(album_setup) { &df_backend_cpu, 1, 1, 1, dtype }, &q[i], 1, &one);
        alone.shot[i] = one.shot[0];
    }
    assert_int_equal(alone.shot[5].width, 48);
    assert_int_equal(alone.shot[5].height, 80);
    assert_int_equal(alone.shot[2].n_steps, 3);
    for (size_t k = 0; k < sizeof setups / sizeof *setups; k++) {
        album all = { 0 };
        album_render(m, &setups[k], q, n, &all);
        for (int i = 0; i < n; i++) album_assert_same(&alone.shot[i], &all.shot[i], i, &setups[k]);
        album_free(&all);
    }
    album_free(&alone);
    df_model_close(&m);
}

static void test_same_bytes_however_it_runs(void **state) {
    (void)state;
    check_same_bytes(thread_farm_starter(), DF_F32);
}

static void test_same_bytes_in_bf16(void **state) {
    (void)state;
    if (!has_bf16()) skip();
    check_same_bytes(thread_farm_starter(), DF_BF16);
}

/* The starter model with its int8 scales; NULL where the machine has no int8. */
static df_model *starter_in_int8(void) {
    const df_adapter_use scales = { .kind = DF_ADAPTER_INT8_SCALES,
                                    .path = golden_source_path("models/starter/diffarm-int8.json") };
    const df_model_options how = { .adapters = &scales, .n_adapters = 1 };
    df_model *m = NULL;
    df_err err;
    if (df_backend_can_do(&df_backend_cpu, (df_arithmetic) { .dtype = DF_BF16, .int8 = true }, NULL)) return NULL;
    if (df_model_open_with(&m, golden_source_path("models/starter"), &how, &err)) fail_msg("%s", err.text);
    return m;
}

static void test_same_bytes_in_int8(void **state) {
    (void)state;
    df_model *m = starter_in_int8();
    if (!m) skip();
    check_same_bytes(m, DF_BF16);
}

/* Pictures of the reference library, one line of its manifest each. */
static int reference_requests(const df_model *m, const char *path, df_request *q, char names[][32]) {
    char *text, *line, *rest;
    size_t bytes;
    df_err err;
    int n = 0;
    if (df_file_read(path, 1 << 20, &text, &bytes, &err)) fail_msg("%s", err.text);
    for (rest = text; (line = strsep(&rest, "\n")) && n < ALBUM_MOST;) {
        if (!*line) continue;
        json_t *o;
        if (df_json_parse(&o, line, strlen(line), path, &err)) fail_msg("%s", err.text);
        df_config c = { .root = o, .path = path, .err = &err };
        q[n] = request_of(m, df_config_string(&c, "scheduler", ""), (int)df_config_int(&c, "steps", 0, 1, 1000),
                          df_config_double(&c, "guidance", 0), (uint64_t)df_config_int(&c, "seed", 0, 0, INT64_MAX));
        q[n].prompt = strdup(df_config_string(&c, "prompt", ""));
        assert_string_equal(df_config_string(&c, "negative", "?"), "");
        assert_string_equal(df_config_string(&c, "size", "?"), "64x64");
        snprintf(names[n++], 32, "%s", df_config_string(&c, "name", "?"));
        assert_int_equal(c.rc, DF_OK);
        json_decref(o);
    }
    free(text);
    return n;
}

static void compare_picture(const char *path, const album_shot *s) {
    char *png;
    uint8_t *rgb;
    size_t bytes;
    int width, height, most = 0, n_off = 0;
    df_err err;
    if (df_file_read(path, 1 << 24, &png, &bytes, &err)) fail_msg("%s", err.text);
    if (df_png_decode(&rgb, &width, &height, png, bytes, 4096, &err)) fail_msg("%s", err.text);
    assert_int_equal(s->n_images, 1);
    assert_int_equal(s->width, width);
    assert_int_equal(s->height, height);
    for (int i = 0; i < 3 * width * height; i++) {
        int off = abs(rgb[i] - s->rgb[i]);
        most = off > most ? off : most;
        n_off += off > 0;
    }
    if (most > 1 || n_off > 3 * width * height / 200) fail_msg("%s: %d levels off, %d values", path, most, n_off);
    free(png);
    free(rgb);
}

static void test_reference_pictures(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[ALBUM_MOST];
    char names[ALBUM_MOST][32], file[64];
    album all = { 0 };
    const char *manifest = golden_path("starter_reference", "manifest.jsonl");
    int n = reference_requests(m, manifest, q, names);
    assert_int_equal(n, 16);
    album_render(m, &(album_setup) { &df_backend_cpu, 2, 4, 3, DF_F32 }, q, n, &all);
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof file, "pictures/%.31s.png", names[i]);
        compare_picture(golden_path("starter_reference", file), &all.shot[i]);
        assert_int_equal(all.shot[i].flags, 0);
        free((char *)q[i].prompt);
    }
    album_free(&all);
    df_model_close(&m);
}

/* Levels by which two pictures are apart. */
typedef struct distance {
    double mean;
    int worst;
} distance;

static distance distance_of(const album_shot *a, const album_shot *b) {
    int n = 3 * a->width * a->height, sum = 0, worst = 0;
    for (int k = 0; k < n; k++) {
        int d = abs(a->rgb[k] - b->rgb[k]);
        sum += d;
        if (d > worst) worst = d;
    }
    return (distance) { (double)sum / n, worst };
}

/* 20 steps in bf16 draw what they draw in f32. How far the two drift apart is up to picture and sampler, so the limits
 * are about twice what was measured (docs/numerics.md): in the mean of all, 0.50 levels; in a picture, 1.5; of one
 * value, 38. With fast convolutions: 0.55, 1.8, 35. */
static void check_bf16_draws_the_same(bool fast_conv) {
    df_model *m = thread_farm_starter();
    df_request q[ALBUM_MOST];
    char names[ALBUM_MOST][32];
    album f32 = { 0 }, bf16 = { .fast_conv = fast_conv };
    int n = reference_requests(m, golden_path("starter_reference", "manifest.jsonl"), q, names);
    distance of_all = { 0 };
    double most = 0;
    album_render(m, &(album_setup) { &df_backend_cpu, 1, 4, 2, DF_F32 }, q, n, &f32);
    album_render(m, &(album_setup) { &df_backend_cpu, 1, 4, 2, DF_BF16 }, q, n, &bf16);
    for (int i = 0; i < n; i++) {
        distance d = distance_of(&f32.shot[i], &bf16.shot[i]);
        of_all.mean += d.mean / n;
        if (d.mean > most) most = d.mean;
        if (d.worst > of_all.worst) of_all.worst = d.worst;
        assert_int_equal(bf16.shot[i].flags, 0);
        free((char *)q[i].prompt);
    }
    print_message("%.2f levels in the mean, %.2f in a picture, %d of a value\n", of_all.mean, most, of_all.worst);
    assert_true(of_all.mean < 1 && most < 4 && of_all.worst < 60);
    album_free(&f32);
    album_free(&bf16);
    df_model_close(&m);
}

static void test_bf16_draws_the_same(void **state) {
    (void)state;
    if (!has_bf16()) skip();
    check_bf16_draws_the_same(false);
}

static void test_fast_convolutions_draw_the_same(void **state) {
    (void)state;
    if (!has_bf16()) skip();
    check_bf16_draws_the_same(true);
}

/* Activations in double: the same picture but for rounding, and the same bytes for any number of ranks. */
static void test_the_f64_reference(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[2] = { request_of(m, "euler_a", 2, 4, 1), request_of(m, "ddim", 2, 1, 2) };
    album f32 = { 0 }, one = { 0 }, two = { 0 };
    album_setup s = { &df_backend_reference, 1, 1, 1, DF_F64 }, s2 = { &df_backend_reference, 2, 2, 2, DF_F64 };
    for (int i = 0; i < 2; i++) q[i].width = q[i].height = 16;
    album_render(m, &(album_setup) { &df_backend_cpu, 1, 2, 1, DF_F32 }, q, 2, &f32);
    album_render(m, &s, q, 2, &one);
    album_render(m, &s2, q, 2, &two);
    for (int i = 0; i < 2; i++) {
        album_assert_same(&one.shot[i], &two.shot[i], i, &s2);
        for (int k = 0; k < 3 * 16 * 16; k++) assert_true(abs(f32.shot[i].rgb[k] - one.shot[i].rgb[k]) <= 1);
    }
    album_free(&f32);
    album_free(&one);
    album_free(&two);
    df_model_close(&m);
}

/* Spoils row 0 of the result of one node at its n-th run, or fails there. */
static struct {
    const char *node;
    const df_kernel *kernel;
    int countdown;
    bool fail;
} spoil;

static df_code spoil_open(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                          const float *const *weights, df_err *err) {
    df_code rc = df_backend_cpu.node_open(ctx, out, g, node, weights, err);
    if (!rc && strcmp(node->name, spoil.node) == 0) spoil.kernel = *out;
    return rc;
}

static df_code spoil_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                         const void *residual, void *out, void *scratch, df_err *err) {
    df_code rc = df_backend_cpu.node_run(k, n_rows, in, add_channel, residual, out, scratch, err);
    if (k != spoil.kernel || --spoil.countdown != 0) return rc;
    if (spoil.fail) return df_err_set(err, DF_EBACKEND, "out of ink");
    ((float *)out)[0] = NAN;
    return rc;
}

static df_backend spoiling(const char *node, int countdown, bool fail) {
    df_backend b = df_backend_cpu;
    b.node_open = spoil_open;
    b.node_run = spoil_run;
    spoil.node = node;
    spoil.kernel = NULL;
    spoil.countdown = countdown;
    spoil.fail = fail;
    return b;
}

static void test_a_number_that_is_not_finite_fails_its_row(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[3];
    album good = { 0 }, bad = { 0 };
    for (int i = 0; i < 3; i++) q[i] = request_of(m, "ddim", 2, 4, (uint64_t)i);
    album_setup s = { &df_backend_cpu, 1, 3, 1, DF_F32 };
    album_render(m, &s, q, 3, &good);
    df_backend b = spoiling("conv_out", 2, false);
    album_render(m, &(album_setup) { &b, 1, 3, 1, DF_F32 }, q, 3, &bad);
    assert_int_equal(bad.shot[0].n_failed, 1);
    assert_int_equal(bad.shot[0].n_images, 0);
    assert_int_equal(bad.shot[0].why.code, DF_ENUMERIC);
    assert_non_null(strstr(bad.shot[0].why.text, "step 2 of 2"));
    for (int i = 1; i < 3; i++) {
        assert_int_equal(bad.shot[i].n_failed, 0);
        album_assert_same(&good.shot[i], &bad.shot[i], i, &s);
    }
    album_free(&good);
    album_free(&bad);
    df_model_close(&m);
}

static void test_a_failed_micro_batch_fails_its_rows(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[4];
    album a = { 0 };
    int n_failed = 0;
    for (int i = 0; i < 4; i++) q[i] = request_of(m, "ddim", 2, 4, (uint64_t)i);
    df_backend b = spoiling("conv_out", 1, true);
    album_render(m, &(album_setup) { &b, 1, 2, 2, DF_F32 }, q, 4, &a);
    for (int i = 0; i < 4; i++) {
        n_failed += a.shot[i].n_failed;
        assert_int_equal(a.shot[i].n_failed + a.shot[i].n_images, 1);
        if (a.shot[i].n_failed) assert_non_null(strstr(a.shot[i].why.text, "out of ink"));
    }
    assert_int_equal(n_failed, 2);
    album_free(&a);
    df_model_close(&m);
}

static void test_a_failed_prompt_fails_its_rows(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[2];
    album a = { 0 };
    for (int i = 0; i < 2; i++) q[i] = request_of(m, "ddim", 2, 4, (uint64_t)i);
    df_backend b = spoiling("text_model.final_layer_norm", 1, true);
    album_render(m, &(album_setup) { &b, 1, 2, 1, DF_F32 }, q, 2, &a);
    assert_non_null(spoil.kernel);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(a.shot[i].n_failed, 1);
        assert_non_null(strstr(a.shot[i].why.text, "text_encoder"));
    }
    album_free(&a);
    df_model_close(&m);
}

/* An encoder that fails, or gives what is no number, fails the rows that have a picture. */
static void test_a_failed_picture_fails_its_row(void **state) {
    (void)state;
    static uint8_t grey[3 * 64 * 64];
    const df_image picture = { 64, 64, 3, grey };
    df_model *m = thread_farm_starter();
    for (int fail = 0; fail < 2; fail++) {
        df_request q[2] = { request_of(m, "ddim", 2, 4, 1), request_of(m, "ddim", 2, 4, 2) };
        album a = { 0 };
        q[0].task = DF_TASK_IMG2IMG;
        q[0].image = &picture;
        q[0].strength = 0.5;
        df_backend b = spoiling("encoder.conv_in", 1, fail);
        album_render(m, &(album_setup) { &b, 1, 2, 1, DF_F32 }, q, 2, &a);
        assert_int_equal(a.shot[0].n_failed, 1);
        assert_non_null(strstr(a.shot[0].why.text, fail ? "out of ink" : "not finite"));
        assert_int_equal(a.shot[1].n_images, 1);
        album_free(&a);
    }
    df_model_close(&m);
}

static void test_cancelled_rows_leave_alone(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[3];
    album good = { 0 }, a = { .cancel_id = 1 };
    for (int i = 0; i < 3; i++) q[i] = request_of(m, "euler_a", 3, 4, (uint64_t)i);
    album_setup s = { &df_backend_cpu, 2, 3, 2, DF_F32 };
    album_render(m, &s, q, 3, &good);
    album_render(m, &s, q, 3, &a);
    assert_int_equal(a.shot[1].n_images + a.shot[1].n_failed, 0);
    assert_int_equal(a.shot[1].n_steps, 1);
    album_assert_same(&good.shot[0], &a.shot[0], 0, &s);
    album_assert_same(&good.shot[2], &a.shot[2], 2, &s);
    album_free(&good);
    album_free(&a);
    df_model_close(&m);
}

static void test_requests_that_cannot_be(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_comm *comm = NULL;
    df_pipeline *p = NULL;
    df_renderer *r = NULL;
    df_err err;
    album a = { 0 };
    df_pipeline_cfg cfg = {
        .backend = &df_backend_cpu, .backend_cfg = { .dtype = DF_F32, .threads = 1 }, .max_rows = 4, .n_slots = 2
    };
    df_renderer_cfg rc = { .micro_batch = 3, .ctx = &a, .on_image = album_on_image, .on_failed = album_on_failed };
    assert_int_equal(df_comm_self_open(&comm, &err), DF_OK);
    assert_int_equal(df_pipeline_open(&p, comm, m, &cfg, &err), DF_OK);
    assert_int_equal(df_renderer_open(&r, p, m, &rc, &err), DF_EINVAL);
    rc.micro_batch = 2;
    assert_int_equal(df_renderer_open(&r, p, m, &rc, &err), DF_OK);
    assert_int_equal(df_renderer_room(r), 4);
    df_request q = request_of(m, "ddim", 2, 4, 1), bad = q;
    bad.width = 63;
    bad.height = 64;
    assert_int_equal(df_renderer_add(r, 0, &bad, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "63x64"));
    bad = q;
    bad.steps = 0;
    assert_int_equal(df_renderer_add(r, 0, &bad, &err), DF_EINVAL);
    bad = q;
    bad.guidance = NAN;
    assert_int_equal(df_renderer_add(r, 0, &bad, &err), DF_EINVAL);
    assert_false(df_renderer_busy(r));
    assert_int_equal(df_renderer_add(r, 0, &q, &err), DF_OK);
    assert_int_equal(df_renderer_room(r), 3);
    assert_int_equal(df_renderer_step(r, 0, &err), DF_OK);
    df_renderer_close(&r); /* with a row on its way */
    df_pipeline_close(&p);
    comm->ops->close(&comm);
    assert_int_equal(a.shot[0].n_images + a.shot[0].n_failed, 0);
    df_model_close(&m);
}

static void test_flags(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    char prompt[1024] = "";
    album a = { 0 };
    for (int i = 0; i < 100; i++) strcat(prompt, "apple ");
    df_request q[2] = { request_of(m, "ddim", 1, 4, 1), request_of(m, "ddim", 1, 4, 1) };
    q[0].prompt = prompt;
    album_render(m, &(album_setup) { &df_backend_cpu, 1, 2, 1, DF_F32 }, q, 2, &a);
    assert_true(a.shot[0].flags & DF_FLAG_PROMPT_CUT);
    assert_false(a.shot[1].flags & DF_FLAG_PROMPT_CUT);
    album_free(&a);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_however_it_runs),
        cmocka_unit_test(test_same_bytes_in_bf16),
        cmocka_unit_test(test_same_bytes_in_int8),
        cmocka_unit_test(test_reference_pictures),
        cmocka_unit_test(test_bf16_draws_the_same),
        cmocka_unit_test(test_fast_convolutions_draw_the_same),
        cmocka_unit_test(test_the_f64_reference),
        cmocka_unit_test(test_a_number_that_is_not_finite_fails_its_row),
        cmocka_unit_test(test_a_failed_micro_batch_fails_its_rows),
        cmocka_unit_test(test_a_failed_prompt_fails_its_rows),
        cmocka_unit_test(test_a_failed_picture_fails_its_row),
        cmocka_unit_test(test_cancelled_rows_leave_alone),
        cmocka_unit_test(test_requests_that_cannot_be),
        cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/image/png_io.h"
#include "tests/worker/some_lease.h"
#include "worker/encoder.h"
#include "worker/png_text.h"

static Diffarm__Row row(void) {
    Diffarm__Row r = DIFFARM__ROW__INIT;
    r.row = 3;
    r.prompt = (char *)"red apple";
    r.negative = (char *)"blurry";
    r.seed = 1000;
    r.width = 64;
    r.height = 48;
    r.steps = 20;
    r.guidance = 4.0;
    r.task = (char *)"txt2img";
    return r;
}

static Diffarm__JobSpec job(void) {
    Diffarm__JobSpec j = DIFFARM__JOB_SPEC__INIT;
    j.model_name = (char *)"starter";
    j.model_sha256 = (char *)"abcdef1234567890";
    j.dtype = (char *)"f32";
    j.noise = (char *)"torch-cpu";
    return j;
}

static void writes_parameters(void **state) {
    df_buf b = { 0 };
    Diffarm__Row r = row();
    Diffarm__JobSpec j = job();
    (void)state;
    df_png_parameters(&b, &r, &j, "dpmpp_2m_karras");
    assert_string_equal(b.data,
                        "red apple\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 4.0, "
                        "Seed: 1000, Size: 64x48, Model hash: abcdef1234, Model: starter, Version: diffarm 0.1.0");
    df_buf_free(&b);
    r.negative = (char *)"";
    df_png_parameters(&b, &r, &j, "euler_a");
    assert_non_null(strstr(b.data, "red apple\nSteps: 20, Sampler: Euler a, "));
    df_buf_free(&b);
}

static void writes_json(void **state) {
    df_buf b = { 0 };
    Diffarm__Row r = row();
    Diffarm__JobSpec j = job();
    (void)state;
    r.prompt = (char *)"\"q\" \\ \n\t\x01 \xc3\xa9\xf0\x9f\x98\x80";
    r.guidance = 7.3;
    df_png_provenance(&b, &r, &j, "ddim", "cpu", false);
    json_t *v = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(v);
    assert_string_equal(json_string_value(json_object_get(v, "prompt")), r.prompt);
    assert_string_equal(json_string_value(json_object_get(v, "size")), "64x48");
    assert_string_equal(json_string_value(json_object_get(v, "scheduler")), "ddim");
    assert_string_equal(json_string_value(json_object_get(v, "model_sha256")), "abcdef1234567890");
    assert_string_equal(json_string_value(json_object_get(v, "backend")), "cpu");
    assert_int_equal(json_integer_value(json_object_get(v, "seed")), 1000);
    assert_true(json_real_value(json_object_get(v, "guidance")) == 7.3);
    json_decref(v);
    df_buf_free(&b);
}

/* A row with a picture, numbers of its task and two LoRAs. */
static void writes_what_the_task_has(void **state) {
    static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    df_buf b = { 0 };
    Diffarm__Input image = DIFFARM__INPUT__INIT, file[2] = { DIFFARM__INPUT__INIT, DIFFARM__INPUT__INIT };
    Diffarm__Adapter lora[2] = { DIFFARM__ADAPTER__INIT, DIFFARM__ADAPTER__INIT }, *adapters[] = { &lora[0], &lora[1] };
    Diffarm__Row r = row();
    Diffarm__JobSpec j = job();
    (void)state;
    image.path = (char *)"/here/cat.png";
    image.sha256 = file[0].sha256 = file[1].sha256 = (char *)sha;
    file[0].path = (char *)"/loras/style.safetensors";
    file[1].path = (char *)"/loras/light";
    for (int i = 0; i < 2; i++) {
        lora[i].kind = DIFFARM__ADAPTER__KIND__LORA;
        lora[i].file = &file[i];
        lora[i].weight = i ? -0.5 : 1;
    }
    r.task = (char *)"img2img";
    r.image = &image;
    r.strength = 0.6;
    r.eta = 0.5;
    r.adapters = adapters;
    r.n_adapters = 2;
    df_png_parameters(&b, &r, &j, "ddim");
    assert_non_null(strstr(b.data, "red apple <lora:style:1.0> <lora:light:-0.5>\nNegative prompt: "));
    assert_non_null(strstr(b.data, ", Denoising strength: 0.6, "));
    df_buf_free(&b);
    df_png_provenance(&b, &r, &j, "ddim", "cpu", false);
    assert_null(strstr(b.data, "/"));
    assert_null(strstr(b.data, "noise_level"));
    json_t *v = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL), *loras = json_object_get(v, "lora");
    assert_string_equal(json_string_value(json_object_get(v, "image_sha256")), sha);
    assert_true(json_real_value(json_object_get(v, "strength")) == 0.6);
    assert_true(json_real_value(json_object_get(v, "eta")) == 0.5);
    assert_int_equal(json_array_size(loras), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(loras, 1), "file")), "light");
    assert_string_equal(json_string_value(json_object_get(json_array_get(loras, 1), "sha256")), sha);
    assert_true(json_real_value(json_object_get(json_array_get(loras, 1), "weight")) == -0.5);
    json_decref(v);
    df_buf_free(&b);
}

static void prints_reals_shortly(void **state) {
    static const struct {
        double x;
        const char *text;
    } cases[] = { { 4, "4.0" },     { 7.5, "7.5" },    { 0, "0.0" },   { 0.1, "0.1" },
                  { 100, "100.0" }, { 1.0 / 3, NULL }, { 1e-30, NULL } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_buf b = { 0 };
        df_print_real(&b, cases[i].x);
        assert_true(strtod(b.data, NULL) == cases[i].x);
        if (cases[i].text) assert_string_equal(b.data, cases[i].text);
        df_buf_free(&b);
    }
}

/* What the encoder makes reads back: pixels and both texts. */
static void encodes_a_picture(void **state) {
    enum { W = 5, H = 3 };
    df_raw_picture p = { .width = W, .height = H };
    df_err err;
    char *text = NULL;
    uint8_t *rgb = NULL;
    int w, h;
    (void)state;
    p.rgb = malloc(W * H * 3);
    for (int i = 0; i < W * H * 3; i++) p.rgb[i] = (uint8_t)(i * 5);
    p.result = calloc(1, sizeof *p.result);
    p.result->lease = some_lease("t", 0, 2);
    p.result->i = 1;
    strcpy(p.result->scheduler, "ddim");
    assert_int_equal(df_encode_picture(&p, "cpu", &err), DF_OK);
    assert_int_equal(df_png_decode(&rgb, &w, &h, p.result->png, p.result->png_bytes, 100, &err), DF_OK);
    assert_true(w == W && h == H);
    assert_memory_equal(rgb, p.rgb, W * H * 3);
    assert_int_equal(df_png_read_text(&text, p.result->png, p.result->png_bytes, "parameters", &err), DF_OK);
    assert_non_null(strstr(text, "red apple\nSteps: 0, Sampler: DDIM, "));
    free(text);
    assert_int_equal(df_png_read_text(&text, p.result->png, p.result->png_bytes, "diffarm", &err), DF_OK);
    assert_non_null(strstr(text, "\"row\": 1"));
    free(text);
    free(rgb);
    free(p.rgb);
    free(p.result->png);
    df_lease_drop(&p.result->lease);
    free(p.result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_parameters),        cmocka_unit_test(writes_json),
        cmocka_unit_test(writes_what_the_task_has), cmocka_unit_test(prints_reals_shortly),
        cmocka_unit_test(encodes_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

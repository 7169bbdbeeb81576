/* Rows of a lease become requests: names, numbers, pictures at the size that the task works at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/sha256.h"
#include "tests/support/golden.h"
#include "tests/support/png_file.h"
#include "worker/request.h"

static df_model *starter;
static df_inputs *inputs;

static int open_starter(void **state) {
    df_err err;
    (void)state;
    inputs = df_inputs_new();
    return inputs && !df_model_open(&starter, golden_source_path("models/starter"), &err) ? 0 : -1;
}

static int close_starter(void **state) {
    (void)state;
    df_inputs_free(&inputs);
    df_model_close(&starter);
    return 0;
}

typedef struct picture_file {
    Diffarm__Input is;
    char path[512], sha256[DF_SHA256_HEX_BYTES];
} picture_file;

/* A file of its own in each call; the caller keeps `out` where it is. */
static void make_picture(picture_file *out, int width, int height) {
    static int n;
    diffarm__input__init(&out->is);
    snprintf(out->path, sizeof out->path, "%s/%d.png", golden_temp_dir(), n++);
    put_png(out->path, width, height);
    assert_int_equal(df_sha256_file(out->path, out->sha256, NULL), DF_OK);
    out->is.path = out->path;
    out->is.sha256 = out->sha256;
}

static Diffarm__Row row_of(const char *task) {
    Diffarm__Row r = DIFFARM__ROW__INIT;
    r.prompt = (char *)"red apple";
    r.task = (char *)task;
    r.width = 64;
    r.height = 48;
    r.steps = 7;
    return r;
}

static Diffarm__JobSpec job_of(const char *noise) {
    Diffarm__JobSpec j = DIFFARM__JOB_SPEC__INIT;
    j.noise = (char *)noise;
    j.dtype = (char *)"f32";
    return j;
}

static void maps_names_and_numbers(void **state) {
    (void)state;
    df_row_request rq;
    df_err err;
    Diffarm__Row row = row_of("txt2img");
    Diffarm__JobSpec job = job_of("torch-cuda");
    row.negative = (char *)"blurry";
    row.seed = 1ull << 40;
    row.guidance = 3.5;
    row.guidance_rescale = 0.7;
    row.eta = 0.25;
    row.strength = 0.5;
    row.class_label = 9;
    row.noise_level = 30;
    row.scheduler = (char *)"euler_a";
    if (df_row_request_open(&rq, starter, inputs, &row, &job, &err)) fail_msg("%s", err.text);
    const df_request *is = &rq.is;
    assert_string_equal(is->prompt, "red apple");
    assert_string_equal(is->negative, "blurry");
    assert_string_equal(is->scheduler.name, "euler_a");
    assert_true(is->task == DF_TASK_TXT2IMG && is->noise == DF_NOISE_TORCH_CUDA && is->seed == 1ull << 40);
    assert_true(is->width == 64 && is->height == 48 && is->steps == 7 && is->class_label == 9);
    assert_true(is->guidance == 3.5 && is->guidance_rescale == 0.7 && is->eta == 0.25 && is->strength == 0.5);
    assert_true(is->noise_level == 30 && !is->image && !is->mask);
    df_row_request_close(&rq);
}

static void the_model_has_a_scheduler_of_its_own(void **state) {
    (void)state;
    df_row_request rq;
    Diffarm__Row row = row_of("txt2img");
    Diffarm__JobSpec job = job_of("torch-cpu");
    assert_int_equal(df_row_request_open(&rq, starter, inputs, &row, &job, NULL), DF_OK);
    assert_string_equal(rq.is.scheduler.name, df_model_scheduler(starter)->name);
    df_row_request_close(&rq);
}

static void brings_pictures_to_size(void **state) {
    (void)state;
    df_row_request rq;
    df_err err;
    picture_file image, mask;
    make_picture(&image, 100, 40);
    make_picture(&mask, 9, 9);
    Diffarm__Row row = row_of("inpaint");
    Diffarm__JobSpec job = job_of("torch-cpu");
    row.image = &image.is;
    row.mask = &mask.is;
    if (df_row_request_open(&rq, starter, inputs, &row, &job, &err)) fail_msg("%s", err.text);
    assert_true(rq.is.image->width == 64 && rq.is.image->height == 48 && rq.is.image->channels == 3);
    assert_true(rq.is.mask->width == 64 && rq.is.mask->height == 48 && rq.is.mask->channels == 1);
    df_row_request_close(&rq);
}

/* What is upscaled is as many times smaller than the row says. */
static void an_upscaler_takes_a_small_picture(void **state) {
    (void)state;
    const df_model_options how = { .tokenizer_optional = true };
    df_model *m = NULL;
    df_row_request rq;
    df_err err;
    picture_file image;
    if (df_model_open_with(&m, golden_path("upscale", ""), &how, &err)) fail_msg("%s", err.text);
    make_picture(&image, 16, 12);
    Diffarm__Row row = row_of("upscale");
    Diffarm__JobSpec job = job_of("torch-cpu");
    row.image = &image.is;
    if (df_row_request_open(&rq, m, inputs, &row, &job, &err)) fail_msg("%s", err.text);
    assert_true(rq.is.image->width == 16 && rq.is.image->height == 12);
    for (int i = 0; i < 16 * 12 * 3; i++) assert_int_equal(rq.is.image->pixels[i], (uint8_t)(i * 7));
    df_row_request_close(&rq);
    df_model_close(&m);
}

static void refused(const Diffarm__Row *row, const char *noise, df_code code, const char *says) {
    df_row_request rq;
    df_err err;
    Diffarm__JobSpec job = job_of(noise);
    assert_int_equal(df_row_request_open(&rq, starter, inputs, row, &job, &err), code);
    if (!strstr(err.text, says)) fail_msg("%s", err.text);
}

static void what_it_does_not_know_fails_the_row(void **state) {
    (void)state;
    Diffarm__Row row = row_of("paint");
    refused(&row, "torch-cpu", DF_EUNSUPPORTED, "task 'paint': not known to this worker");
    row = row_of("txt2img");
    refused(&row, "dice", DF_EUNSUPPORTED, "noise 'dice': not known to this worker");
    row.scheduler = (char *)"nosuch";
    refused(&row, "torch-cpu", DF_EINVAL, "nosuch");
}

static void a_file_must_be_the_one_that_was_submitted(void **state) {
    (void)state;
    picture_file image, other;
    make_picture(&image, 8, 8);
    make_picture(&other, 8, 4);
    Diffarm__Row row = row_of("img2img");
    row.image = &image.is;
    image.is.path = other.path;
    refused(&row, "torch-cpu", DF_EINVAL, "has changed since the job was submitted");
    image.is.path = (char *)"/nowhere/a.png";
    refused(&row, "torch-cpu", DF_ENOTFOUND, "/nowhere/a.png");
}

/* Many rows share a picture, and some the one before it. */
static void a_picture_is_decoded_once(void **state) {
    (void)state;
    enum { N = 10 };
    picture_file file[N];
    const df_image *first, *again, *image;
    for (int i = 0; i < N; i++) make_picture(&file[i], 8 + i, 8);
    assert_int_equal(df_inputs_picture(inputs, &file[0].is, &first, NULL), DF_OK);
    assert_int_equal(df_inputs_picture(inputs, &file[1].is, &image, NULL), DF_OK);
    assert_int_equal(remove(file[0].path), 0);
    assert_int_equal(df_inputs_picture(inputs, &file[0].is, &again, NULL), DF_OK);
    assert_ptr_equal(again, first);
    for (int i = 1; i < N; i++) {
        assert_int_equal(df_inputs_picture(inputs, &file[i].is, &image, NULL), DF_OK);
        assert_int_equal(image->width, 8 + i);
    }
    assert_int_equal(df_inputs_picture(inputs, &file[0].is, &again, NULL), DF_ENOTFOUND); /* others took its place */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_names_and_numbers),
        cmocka_unit_test(the_model_has_a_scheduler_of_its_own),
        cmocka_unit_test(brings_pictures_to_size),
        cmocka_unit_test(an_upscaler_takes_a_small_picture),
        cmocka_unit_test(what_it_does_not_know_fails_the_row),
        cmocka_unit_test(a_file_must_be_the_one_that_was_submitted),
        cmocka_unit_test(a_picture_is_decoded_once),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}

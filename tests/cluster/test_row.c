/* Requests that a model cannot meet are refused with the value and what would do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "cluster/row.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static df_model *open_model(const char *path) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, path, &err)) fail_msg("%s", err.text);
    return m;
}

static df_request request_of(const df_model *m, df_task task) {
    return (
        df_request) { .task = task, .steps = 4, .guidance = 3, .strength = 0.5, .scheduler = *df_model_scheduler(m) };
}

/* words: in the message, ended by NULL. */
static void refused(const df_model *m, const df_request *q, df_code code, const char *const *words) {
    df_row *row = NULL;
    df_err err;
    assert_int_equal(df_row_new(&row, m, NULL, DF_F32, 1, q, &err), code);
    assert_null(row);
    for (; *words; words++)
        if (!strstr(err.text, *words)) fail_msg("'%s' does not say '%s'", err.text, *words);
}

#define REFUSED(m, q, code, ...) refused(m, &(q), code, (const char *const[]) { __VA_ARGS__, NULL })

static uint8_t pixels[3 * 64 * 64];
static const df_image picture = { 64, 64, 3, pixels }, small = { 32, 64, 3, pixels }, mask = { 64, 64, 1, pixels };

static void test_tasks_that_a_model_cannot_do(void **state) {
    (void)state;
    df_model *m = open_model(golden_source_path("models/starter"));
    df_request q = request_of(m, DF_TASK_UPSCALE);
    REFUSED(m, q, DF_EUNSUPPORTED, "task upscale", "StableDiffusionPipeline", "txt2img, img2img, inpaint");
    q.task = DF_TASK_CLASS;
    REFUSED(m, q, DF_EUNSUPPORTED, "task class");
    df_model_close(&m);
}

static void test_pictures(void **state) {
    (void)state;
    df_model *m = open_model(golden_source_path("models/starter"));
    df_request q = request_of(m, DF_TASK_IMG2IMG);
    REFUSED(m, q, DF_EINVAL, "img2img", "no picture", "64x64");
    q.image = &small;
    q.width = q.height = 64;
    REFUSED(m, q, DF_EINVAL, "picture", "32x64", "64x64");
    q.image = &mask;
    REFUSED(m, q, DF_EINVAL, "picture", "1 channels", "3");
    q.task = DF_TASK_INPAINT;
    q.image = &picture;
    REFUSED(m, q, DF_EINVAL, "inpaint", "no mask");
    q.mask = &small;
    REFUSED(m, q, DF_EINVAL, "mask", "32x64");
    q.mask = &picture;
    REFUSED(m, q, DF_EINVAL, "mask", "3 channels");
    df_image odd = { 62, 64, 3, pixels };
    q = request_of(m, DF_TASK_IMG2IMG);
    q.image = &odd; /* gives the size */
    REFUSED(m, q, DF_EINVAL, "62x64", "multiples of 4");
    df_model_close(&m);
}

static void test_numbers(void **state) {
    (void)state;
    df_model *m = open_model(golden_source_path("models/starter"));
    df_request good = request_of(m, DF_TASK_IMG2IMG), q = good;
    good.image = &picture;
    for (int i = 0; i < 4; i++) {
        q = good;
        q.strength = (double[]) { 0, -1, 1.5, NAN }[i];
        REFUSED(m, q, DF_EINVAL, "strength", "above 0, up to 1");
    }
    q = good;
    q.strength = 0.2;
    REFUSED(m, q, DF_EINVAL, "strength 0.2", "none of 4 steps", "0.25");
    q = good;
    q.guidance_rescale = 2;
    REFUSED(m, q, DF_EINVAL, "guidance_rescale 2", "0 to 1");
    q = good;
    q.eta = -0.5;
    REFUSED(m, q, DF_EINVAL, "eta -0.5", "0 to 1");
    q = good;
    q.guidance = INFINITY;
    REFUSED(m, q, DF_EINVAL, "guidance inf");
    df_model_close(&m);
}

static void test_classes(void **state) {
    (void)state;
    df_model *m = open_model(model_folder_new("dit"));
    df_request q = request_of(m, DF_TASK_CLASS);
    int n = df_model_info_of(m)->n_classes;
    q.class_label = n - 1; /* that of no class */
    REFUSED(m, q, DF_EINVAL, "class", "the model has classes 0 to");
    q.class_label = -1;
    REFUSED(m, q, DF_EINVAL, "class -1");
    q.task = DF_TASK_TXT2IMG;
    REFUSED(m, q, DF_EUNSUPPORTED, "task txt2img", "DiTPipeline can do class");
    df_model_close(&m);
}

static void test_noise_levels(void **state) {
    (void)state;
    df_model *m = open_model(model_folder_new("upscale"));
    df_request q = request_of(m, DF_TASK_UPSCALE);
    q.image = &small;
    q.noise_level = 351;
    REFUSED(m, q, DF_EINVAL, "noise_level 351", "0 to 350");
    q.noise_level = 20;
    q.width = q.height = 64; /* of a picture of 16 x 16 */
    REFUSED(m, q, DF_EINVAL, "upscale", "32x64", "16x16");
    df_model_close(&m);
}

/* A model without text takes no prompt, one without guidance one model row. */
static void test_what_a_row_waits_for(void **state) {
    (void)state;
    df_model *m = open_model(model_folder_new("dit"));
    df_request q = request_of(m, DF_TASK_CLASS);
    df_row *row = NULL;
    const df_err *failure;
    df_err err;
    if (df_row_new(&row, m, NULL, DF_F32, 1, &q, &err)) fail_msg("%s", err.text);
    assert_true(df_row_has_text(row, &failure));
    assert_int_equal(row->n_model_rows, 2);
    assert_int_equal(row->state, DF_ROW_READY);
    df_row_free(&row);
    q.guidance = 1;
    assert_int_equal(df_row_new(&row, m, NULL, DF_F32, 1, &q, &err), DF_OK);
    assert_int_equal(row->n_model_rows, 1);
    df_row_free(&row);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_that_a_model_cannot_do),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_noise_levels),
        cmocka_unit_test(test_what_a_row_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

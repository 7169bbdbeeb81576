/* The strip of `diffarm forward`, picture by picture, against the same made of single calls of `eval`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "client/commands.h"
#include "client/forward/strip.h"
#include "cluster/picture.h"
#include "engine/image/png_io.h"
#include "engine/models/model.h"
#include "engine/noise/noise.h"
#include "engine/samplers/forward.h"
#include "tests/client/eval/eval_call.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

enum { STEPS = 4, SIDE = 32, PLANE = SIDE * SIDE, PICTURE = 3 * PLANE };

typedef struct strip {
    uint8_t *rgb;
    int width, height;
} strip;

static uint8_t pixel(int x, int y, int c) {
    return (uint8_t)(37 * c + 5 * x + 3 * y + (x * y >> 3));
}

/* A picture whose sides are no multiple of anything, around one of SIDE x SIDE. */
static const char *write_picture(const char *dir, int width, int height) {
    const char *path = model_folder_path(dir, "picture.png");
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    unsigned char *png;
    size_t bytes;
    assert_non_null(rgb);
    for (int i = 0; i < width * height * 3; i++)
        rgb[i] = pixel(i / 3 % width - (width - SIDE) / 2, i / 3 / width - (height - SIDE) / 2, i % 3);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, width, height, NULL, 0, NULL), DF_OK);
    assert_int_equal(df_file_write(path, png, bytes, NULL), DF_OK);
    free(png);
    free(rgb);
    return path;
}

static strip forward(const char *image, const char *model, const char *out, const char *threads) {
    const char *const words[] = { "diffarm forward", image, "-m",        model,   "-o",       out,    "--steps", "4",
                                  "--seed",          "7",   "--threads", threads, "--output", "quiet" };
    char *argv[16] = { 0 };
    int argc = sizeof words / sizeof *words;
    for (int i = 0; i < argc; i++) assert_non_null(argv[i] = strdup(words[i]));
    assert_int_equal(df_cmd_forward(argc, argv), DF_EXIT_OK);
    char *file;
    size_t bytes;
    strip s;
    assert_int_equal(df_file_read(out, 1 << 24, &file, &bytes, NULL), DF_OK);
    assert_int_equal(df_png_decode(&s.rgb, &s.width, &s.height, file, bytes, 1 << 14, NULL), DF_OK);
    free(file);
    for (int i = 0; i < 16; i++) free(argv[i]); /* argp permutes, and keeps all */
    assert_int_equal(s.height, SIDE);
    assert_int_equal(s.width, STEPS * (SIDE + DF_STRIP_GAP) - DF_STRIP_GAP);
    return s;
}

static void expect_picture(const strip *s, int i, const float *image) {
    static float pixels[PICTURE];
    static uint8_t rgb[PICTURE];
    for (int k = 0; k < PICTURE; k++) pixels[k] = image[k % 3 * PLANE + k / 3];
    assert_true(df_picture_quantize(pixels, DF_F32, PICTURE, rgb));
    for (int y = 0; y < SIDE; y++)
        assert_memory_equal(s->rgb + ((size_t)y * (size_t)s->width + (size_t)(i * (SIDE + DF_STRIP_GAP))) * 3,
                            rgb + 3 * SIDE * y, 3 * SIDE);
}

static void fill_image(float *image) {
    for (int k = 0; k < PICTURE; k++)
        image[k] = 2.0f * ((float)pixel(k % PLANE % SIDE, k % PLANE / SIDE, k / PLANE) / 255.0f) - 1.0f;
}

static void draw(float *epsilon, size_t n) {
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, 7);
    assert_non_null(z);
    df_noise_normal(z, epsilon, n);
    df_noise_free(&z);
}

static void latents_are_noised(void **state) {
    (void)state;
    enum { CHANNELS = 4, LATENT = SIDE / 4, N = CHANNELS * LATENT * LATENT };
    static float image[PICTURE], x[N], epsilon[N], z[STEPS * N];
    const char *model = model_folder_new("starter"), *dir = golden_temp_dir();
    strip s = forward(write_picture(dir, SIDE + 3, SIDE + 2), model, model_folder_path(dir, "strip.png"), "2");
    df_model *m;
    df_forward_level levels[STEPS];
    assert_int_equal(df_model_open(&m, model, NULL), DF_OK);
    float scale = (float)df_model_info_of(m)->scaling_factor;
    assert_int_equal(df_forward_levels(levels, df_model_scheduler(m), STEPS, NULL), DF_OK);
    df_model_close(&m);

    eval_call *encode = eval_call_new(), *decode = eval_call_new();
    fill_image(image);
    eval_call_give_f32(encode, "image", image, (int64_t[]) { 1, 3, SIDE, SIDE }, 4);
    eval_call_run(encode, model, "vae_encode", NULL);
    const float *moments = eval_call_f32(encode, "moments", NULL);
    for (int i = 0; i < N; i++) x[i] = moments[i] * scale;
    draw(epsilon, N);
    for (int i = 0; i < STEPS; i++) {
        df_forward_noise(&levels[i], x, epsilon, z + i * N, N);
        for (int k = 0; k < N; k++) z[i * N + k] /= scale;
    }
    eval_call_give_f32(decode, "z", z, (int64_t[]) { STEPS, CHANNELS, LATENT, LATENT }, 4);
    eval_call_run(decode, model, "vae_decode", NULL);
    const float *pictures = eval_call_f32(decode, "image", NULL);
    for (int i = 0; i < STEPS; i++) expect_picture(&s, i, pictures + (size_t)i * PICTURE);
    eval_call_free(&encode);
    eval_call_free(&decode);
    free(s.rgb);
}

/* A model without an autoencoder: the left picture is the one given. */
static void pixels_are_noised(void **state) {
    (void)state;
    static float image[PICTURE], epsilon[PICTURE], noised[PICTURE];
    const char *model = model_folder_new("ddpm"), *dir = golden_temp_dir();
    strip s = forward(write_picture(dir, SIDE, SIDE), model, model_folder_path(dir, "strip.png"), "1");
    df_model *m;
    df_forward_level levels[STEPS];
    assert_int_equal(df_model_open(&m, model, NULL), DF_OK);
    assert_int_equal(df_forward_levels(levels, df_model_scheduler(m), STEPS, NULL), DF_OK);
    df_model_close(&m);
    fill_image(image);
    draw(epsilon, PICTURE);
    for (int i = 0; i < STEPS; i++) {
        df_forward_noise(&levels[i], image, epsilon, noised, PICTURE);
        expect_picture(&s, i, noised);
    }
    free(s.rgb);
}

static void threads_do_not_show(void **state) {
    (void)state;
    const char *model = model_folder_new("starter"), *dir = golden_temp_dir();
    const char *picture = write_picture(dir, SIDE, SIDE);
    strip one = forward(picture, model, model_folder_path(dir, "one.png"), "1");
    strip two = forward(picture, model, model_folder_path(dir, "two.png"), "2");
    assert_memory_equal(one.rgb, two.rgb, (size_t)one.width * (size_t)one.height * 3);
    free(one.rgb);
    free(two.rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_are_noised),
        cmocka_unit_test(pixels_are_noised),
        cmocka_unit_test(threads_do_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Decoding in tiles against decoding at once: nowhere more than rounding apart, seams or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "engine/tiles/tiled_decoder.h"
#include "tests/engine/models/component.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 1e-5; /* of the greatest number */

static df_model *open_model(const char *name) {
    df_model *m = NULL;
    df_err err;
    const char *path = strcmp(name, "starter") ? model_folder_new(name) : golden_source_path("models/starter");
    if (df_model_open(&m, path, &err)) fail_msg("%s", err.text);
    return m;
}

/* Smooth latents whose mean and spread change over the picture, so that no tile is like the whole; [h][w][C]. */
static float *latents(int h, int w, int channels) {
    float *z = malloc(sizeof *z * (size_t)(h * w * channels));
    assert_non_null(z);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++)
                z[(y * w + x) * channels + c] =
                    (float)(2 * sin(0.3 * x + c) * cos(0.23 * y - c) + 3.0 * y / h - 2.0 * x / w);
    return z;
}

static float *nchw_of(const float *z, int h, int w, int channels) {
    float *out = malloc(sizeof *out * (size_t)(h * w * channels));
    assert_non_null(out);
    golden_nhwc_to_nchw(out, z, 1, channels, h, w);
    return out;
}

/* [3][H][W] */
static float *whole(const df_model *m, const float *z, int h, int w, const backend_case *b, size_t *n) {
    float *in = nchw_of(z, h, w, df_model_info_of(m)->latent_channels);
    component c = component_open(m, DF_VAE_DECODER, h, w, b, 1);
    component_set(&c, "z", in);
    component_run(&c);
    float *image = component_get(&c, "image", n);
    component_close(&c);
    free(in);
    return image;
}

static df_tiled_decoder *decode(const df_model *m, const float *z, int h, int w, int tile, const backend_case *b,
                                int threads) {
    const df_tiled_decoder_cfg cfg = { .backend = df_backend_find(b->backend),
                                       .backend_cfg = { .dtype = b->dtype, .threads = threads },
                                       .tile = tile };
    df_tiled_decoder *d = NULL;
    df_err err;
    bool done = false;
    if (df_tiled_decoder_open(&d, m, &cfg, z, h, w, &err)) fail_msg("%s", err.text);
    while (!done)
        if (df_tiled_decoder_step(d, &done, &err)) fail_msg("%s", err.text);
    return d;
}

static void check(const char *name, int h, int w, int tile, const backend_case *b) {
    df_model *m = open_model(name);
    int channels = df_model_info_of(m)->latent_channels, factor = df_model_info_of(m)->vae_factor;
    size_t n;
    float *z = latents(h, w, channels), *want = whole(m, z, h, w, b, &n);
    df_tiled_decoder *d = decode(m, z, h, w, tile, b, 1);
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    golden_nhwc_to_nchw(got, df_tiled_decoder_image(d), 1, 3, factor * h, factor * w);
    golden_compare_f32(name, got, want, n, tolerance);
    free(got);
    free(want);
    free(z);
    df_tiled_decoder_close(&d);
    df_model_close(&m);
}

static void starter(void **state) {
    check("starter", 40, 40, 64, *state);
    check("starter", 23, 41, 32, *state); /* odd sides, tiles that do not divide them */
    check("starter", 9, 7, 512, *state); /* one tile */
}

static void sd15(void **state) {
    check("sd15", 20, 27, 48, *state);
}

static void vq(void **state) {
    check("ldm_uncond", 24, 17, 32, *state);
}

static void upscaler(void **state) {
    check("upscale", 21, 30, 40, *state);
}

static void threads_change_nothing(void **state) {
    df_model *m = open_model("starter");
    float *z = latents(30, 20, df_model_info_of(m)->latent_channels);
    df_tiled_decoder *one = decode(m, z, 30, 20, 48, *state, 1), *three = decode(m, z, 30, 20, 48, *state, 3);
    assert_memory_equal(df_tiled_decoder_image(one), df_tiled_decoder_image(three), sizeof(float) * 3 * 120 * 80);
    df_tiled_decoder_close(&three);
    df_tiled_decoder_close(&one);
    free(z);
    df_model_close(&m);
}

static void large_pictures_are_due(void **state) {
    (void)state;
    df_model *m = open_model("starter");
    assert_true(df_tiled_decoder_is_due(m, 16, 16, DF_F32, 1));
    assert_false(df_tiled_decoder_is_due(m, 16, 16, DF_F32, DF_TILES_WHOLE_BYTES));
    assert_false(df_tiled_decoder_is_due(m, 256, 256, DF_F32, DF_TILES_WHOLE_BYTES));
    assert_true(df_tiled_decoder_is_due(m, 1024, 1024, DF_F32, DF_TILES_WHOLE_BYTES));
    df_model_close(&m);
}

static void bad_requests_are_told(void **state) {
    (void)state;
    df_model *pixels = open_model("ddpm"), *m = open_model("starter");
    df_tiled_decoder_cfg cfg = { .backend = df_backend_find("cpu"), .backend_cfg = { .dtype = DF_F32 }, .tile = 64 };
    df_tiled_decoder *d = NULL;
    float z[64] = { 0 };
    df_err err;
    assert_int_equal(df_tiled_decoder_open(&d, pixels, &cfg, z, 4, 4, &err), DF_EUNSUPPORTED);
    cfg.tile = 3;
    assert_int_equal(df_tiled_decoder_open(&d, m, &cfg, z, 4, 4, &err), DF_EINVAL);
    assert_null(d);
    df_model_close(&m);
    df_model_close(&pixels);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, reference = { "reference", DF_F32, "reference" };
    const struct CMUnitTest tests[] = {
        { "starter cpu", starter, NULL, NULL, &cpu },
        { "sd15 cpu", sd15, NULL, NULL, &cpu },
        { "sd15 reference", sd15, NULL, NULL, &reference },
        { "vq cpu", vq, NULL, NULL, &cpu },
        { "upscaler cpu", upscaler, NULL, NULL, &cpu },
        { "threads change nothing", threads_change_nothing, NULL, NULL, &cpu },
        { "large pictures are due", large_pictures_are_due, NULL, NULL, NULL },
        { "bad requests are told", bad_requests_are_told, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

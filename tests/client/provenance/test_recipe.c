/* What a PNG says of itself: read back whole, and refused by name when a field is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "client/provenance/recipe.h"
#include "engine/image/png_io.h"
#include "worker/png_text.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char path[] = "/tmp/diffarm-recipe-XXXXXX";

static int make_path(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void write_png(const char *text) {
    static const uint8_t rgb[12];
    const df_png_text texts[] = { { "diffarm", text } };
    unsigned char *png;
    size_t bytes;
    df_err err;
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 2, 2, texts, 1, &err), DF_OK);
    assert_int_equal(df_file_write(path, png, bytes, &err), DF_OK);
    free(png);
}

static void what_was_written_is_read(void **state) {
    (void)state;
    Diffarm__Input image = DIFFARM__INPUT__INIT, lora = DIFFARM__INPUT__INIT;
    Diffarm__Adapter adapter = DIFFARM__ADAPTER__INIT, *adapters[] = { &adapter };
    Diffarm__Row row = DIFFARM__ROW__INIT;
    Diffarm__JobSpec job = DIFFARM__JOB_SPEC__INIT;
    df_buf first = { 0 }, second = { 0 };
    df_recipe *r = NULL;
    df_err err;
    image.path = (char *)"/in/a.png", image.sha256 = (char *)SHA_A;
    lora.path = (char *)"/in/style.safetensors", lora.sha256 = (char *)SHA_B;
    adapter.kind = DIFFARM__ADAPTER__KIND__LORA, adapter.file = &lora, adapter.weight = 0.1;
    row.prompt = (char *)"a \"red\" \\ apple,\nbig", row.negative = (char *)"blurry", row.seed = INT64_MAX;
    row.width = 64, row.height = 48, row.steps = 7, row.guidance = 7.25, row.task = (char *)"img2img";
    row.strength = 0.3, row.row = 12, row.name = (char *)"x/y", row.image = &image, row.eta = 0.5;
    row.adapters = adapters, row.n_adapters = 1;
    job.model_name = (char *)"starter", job.model_sha256 = (char *)SHA_A, job.dtype = (char *)"bf16";
    job.noise = (char *)"torch-cpu", job.fast_conv = true;
    df_png_provenance(&first, &row, &job, "euler", "cpu", false);
    write_png(first.data);
    assert_int_equal(df_recipe_read(&r, path, &err), DF_OK);
    assert_string_equal(r->row.prompt, row.prompt);
    assert_string_equal(r->backend, "cpu");
    assert_true(r->row.seed == INT64_MAX && r->row.strength == 0.3 && r->row.adapters[0]->weight == 0.1);
    assert_int_equal(df_recipe_find_files(r, NULL, 0, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, SHA_A));
    r->row.adapters[0]->file->path = lora.path; /* its name is part of the text */
    df_png_provenance(&second, &r->row, &r->job, r->row.scheduler, r->backend, false);
    assert_string_equal(first.data, second.data);
    df_buf_free(&first), df_buf_free(&second);
    df_recipe_free(&r);
}

#define WHOLE                                                                                                          \
    "\"prompt\": \"a\", \"negative\": \"\", \"size\": \"8x8\", \"steps\": 1, \"guidance\": 1.0, \"scheduler\": "       \
    "\"ddim\","                                                                                                        \
    " \"task\": \"txt2img\", \"row\": 0, \"name\": \"\", \"model\": \"m\", \"model_sha256\": \"" SHA_A                 \
    "\", \"dtype\": \"f32\", \"noise\": \"torch-cpu\", \"backend\": \"cpu\", \"software\": \"s\""

static void wrong_fields_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "no JSON", "no JSON object" },
        { "[1]", "no JSON object" },
        { "{" WHOLE "}", "\"seed\"" },
        { "{\"seed\": -1, " WHOLE "}", "\"seed\"" },
        { "{\"seed\": 1.5, " WHOLE "}", "\"seed\"" },
        { "{\"seed\": 1, \"seed\": 2, " WHOLE "}", "no JSON object" },
        { "{\"seed\": 1, \"class\": 4294967296, " WHOLE "}", "\"class\"" },
        { "{\"seed\": 1, \"image_sha256\": \"abc\", " WHOLE "}", "\"image_sha256\"" },
        { "{\"seed\": 1, \"lora\": {}, " WHOLE "}", "\"lora\"" },
        { "{\"seed\": 1, \"lora\": [{\"sha256\": \"" SHA_A "\"}], " WHOLE "}", "\"weight\"" },
        { "{\"seed\": 1, \"lora\": [7], " WHOLE "}", "\"sha256\"" },
        { "{\"seed\": 1, \"no_t5\": \"yes\", " WHOLE "}", "\"no_t5\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_recipe *r = NULL;
        df_err err;
        write_png(cases[i].text);
        assert_int_equal(df_recipe_read(&r, path, &err), DF_EFORMAT);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: '%s'", cases[i].text, err.text);
        assert_non_null(strstr(err.text, path));
        assert_null(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(wrong_fields_are_named),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

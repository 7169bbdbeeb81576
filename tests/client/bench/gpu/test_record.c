/* REPORT.json and REPORT.md: what was measured is found again, what is of another setting or broken is refused, and
 * shares are of what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/bench/gpu/record.h"
#include "client/bench/gpu/report.h"
#include "tests/client/scratch.h"
#include "tests/support/golden.h"

static const df_gpu_setting setting = { .backend = "cuda",
                                        .device = "NVIDIA H100 80GB HBM3",
                                        .dtype = "bf16",
                                        .software = "diffarm",
                                        .type = "H100 SXM",
                                        .peak = { 989, 67, 3352 } };

static df_suite *some_suite(void) {
    df_suite *s = NULL;
    df_err err = { 0 };
    const df_gpu_options o = { .model = { "sdxl" },
                               .n_models = 1,
                               .configs = golden_source_path("bench/models"),
                               .backend_cfg = { .dtype = DF_BF16 },
                               .part = { true, true, true },
                               .micro_batch = 4 };
    if (df_suite_open(&s, &o, &err)) fail_msg("%s", err.text);
    return s;
}

static df_gpu_record open_record(const char *path, const df_gpu_setting *is) {
    df_gpu_record r;
    df_err err = { 0 };
    if (df_gpu_record_open(&r, path, is, &err)) fail_msg("%s", err.text);
    return r;
}

static void what_is_there_is_taken(void **state) {
    (void)state;
    df_err err;
    df_suite *s = some_suite(), *again = some_suite();
    const char *path = scratch_path("taken");
    df_gpu_record r = open_record(path, &setting);
    assert_false(df_gpu_record_take(&r, s, &s->item[0]));
    for (int i = 0; i < 5; i++) {
        s->item[i].seconds = 0.25 + i;
        assert_int_equal(df_gpu_record_put(&r, s, &s->item[i], &err), DF_OK);
    }
    s->item[1].seconds = 7; /* once more: in the place of the first */
    assert_int_equal(df_gpu_record_put(&r, s, &s->item[1], &err), DF_OK);
    df_gpu_record_close(&r);
    r = open_record(path, &setting);
    assert_int_equal(json_array_size(json_object_get(r.file, "measured")), 5);
    for (int i = 0; i < again->n_items; i++) {
        assert_int_equal(df_gpu_record_take(&r, again, &again->item[i]), i < 5);
        if (i < 5) assert_float_equal(again->item[i].seconds, i == 1 ? 7 : 0.25 + i, 1e-9);
    }
    again->item[0].seconds = 0;
    again->item[0].rows = 8; /* another micro-batch is another measurement */
    assert_false(df_gpu_record_take(&r, again, &again->item[0]));
    again->item[0].rows = 4;
    again->model[0].steps = 30;
    assert_false(df_gpu_record_take(&r, again, &again->item[0]));
    df_gpu_record_close(&r);
    df_suite_close(&s);
    df_suite_close(&again);
}

static void another_setting_is_refused(void **state) {
    (void)state;
    df_err err = { 0 };
    const char *path = scratch_path("other");
    df_gpu_record r = open_record(path, &setting), none;
    assert_int_equal(df_gpu_record_write(&r, &err), DF_OK);
    df_gpu_record_close(&r);
    df_gpu_setting other = setting;
    other.dtype = "f16";
    assert_int_equal(df_gpu_record_open(&none, path, &other, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "another dtype (bf16, not f16)"));
    other = setting;
    other.peak.tensor_tflops = 1000;
    assert_int_equal(df_gpu_record_open(&none, path, &other, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "another peak"));
}

static void broken_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } broken[] = {
        { "{", "line 1" },
        { "{\"format\": \"diffarm scale\", \"version\": 1}", "no report of `diffarm bench gpu`" },
        { "{\"format\": \"diffarm gpu\", \"version\": 1, \"measured\": {}}", "measured is missing, or no list" },
        { "{\"format\": \"diffarm gpu\", \"version\": 1, \"measured\": [{\"seconds\": \"1\"}], \"modelled\": []}",
          "measured[0].seconds" },
        { "{\"format\": \"diffarm gpu\", \"version\": 1, \"measured\": [], \"modelled\": [3]}",
          "modelled[0].pictures_per_second" },
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        df_gpu_record r;
        df_err err = { 0 };
        scratch_write("broken.json", broken[i].text, strlen(broken[i].text));
        assert_int_equal(df_gpu_record_open(&r, scratch_path("broken"), &setting, &err), DF_EFORMAT);
        if (!strstr(err.text, broken[i].says)) fail_msg("'%s' lacks '%s'", err.text, broken[i].says);
    }
}

/* Half the speed of the roofline, so half of it; MLPerf's figure stands where its setting is. */
static void the_report_tells_shares(void **state) {
    (void)state;
    df_err err;
    df_buf text = { 0 };
    char want[128];
    df_suite *s = some_suite();
    df_gpu_record r = open_record(NULL, &setting);
    assert_int_equal(df_gpu_record_expect(&r, s, 4, &err), DF_OK);
    for (int i = 0; i < s->n_items; i++) {
        s->item[i].seconds = 2 * df_suite_expected(s, &s->item[i], &setting.peak);
        assert_int_equal(df_gpu_record_put(&r, s, &s->item[i], &err), DF_OK);
    }
    df_gpu_report(&text, r.file, true);
    assert_false(text.failed);
    snprintf(want, sizeof want, "| sdxl (random weights) | 1024x1024, 20 steps | 4 | %.4g |", 1 / s->item[0].seconds);
    assert_non_null(strstr(text.data, want));
    assert_non_null(strstr(text.data, " 50 % | 2.26 |\n"));
    assert_non_null(strstr(text.data, "## Operations"));
    assert_non_null(strstr(text.data, "### sdxl vae_decoder, 1024x1024, 4 rows"));
    assert_null(strstr(text.data, " 49 % |\n"));
    assert_null(strstr(text.data, " 51 % |\n"));
    df_buf_free(&text);
    df_gpu_report(&text, r.file, false);
    assert_null(strstr(text.data, "## Operations"));
    df_buf_free(&text);
    df_gpu_record_close(&r);
    df_suite_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_taken),
        cmocka_unit_test(another_setting_is_refused),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(the_report_tells_shares),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

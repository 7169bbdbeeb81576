/* `diffarm simulate --workers N`: hundreds of workers on a real coordinator, whose counts must agree. Not timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/client/simulate/run_simulate.h"

static json_int_t count_of(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v)) fail_msg("no count '%s'", key);
    return json_integer_value(v);
}

static void expect_phases(const json_t *o) {
    static const char *const phases[] = { "start", "connect", "idle", "upload", "run", "lists" };
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        const json_t *phase = json_object_get(o, phases[i]);
        assert_non_null(phase);
        assert_true(json_number_value(json_object_get(phase, "seconds")) > 0);
        assert_true(count_of(phase, "rss_bytes") > 0);
    }
}

static size_t lines_of(const char *dir, const char *name) {
    char path[4096], *text = NULL;
    size_t bytes = 0, n = 0;
    df_err err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (df_file_read(path, 16 << 20, &text, &bytes, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < bytes; i++) n += text[i] == '\n';
    free(text);
    return n;
}

static void hundreds_of_workers_commit_every_row_once(void **state) {
    (void)state;
    json_t *o;
    char dir[4096], out[4100];
    snprintf(dir, sizeof dir, "%s/many", golden_temp_dir());
    snprintf(out, sizeof out, "%s/out", dir);
    assert_int_equal(run_simulate(&o, NULL,
                                  (const char *[]) { "--workers", "300", "--images", "5000", "--hold", "1",
                                                     "--processes", "2", "--dir", dir, "--output", "json", NULL }),
                     DF_EXIT_OK);
    assert_non_null(o);
    expect_phases(o);
    assert_int_equal(count_of(o, "committed"), 5000);
    assert_true(count_of(o, "acknowledged") >= 5000); /* more: rows of the tail that two workers had */
    assert_int_equal(lines_of(out, "metadata.jsonl"), 5000);
    assert_int_equal(lines_of(out, "failures.jsonl"), 0);
    json_decref(o);
}

static void pictures_of_a_size_arrive(void **state) {
    (void)state;
    json_t *o;
    char dir[4096], path[4160], *png = NULL;
    size_t bytes = 0;
    snprintf(dir, sizeof dir, "%s/pictures", golden_temp_dir());
    snprintf(path, sizeof path, "%s/out/images/000000/00000099.png", dir);
    assert_int_equal(run_simulate(&o, NULL,
                                  (const char *[]) { "--workers", "10", "--images", "100", "--payload", "20000",
                                                     "--dir", dir, "--output", "json", NULL }),
                     DF_EXIT_OK);
    assert_int_equal(count_of(o, "committed"), 100);
    assert_int_equal(count_of(o, "payload_bytes"), 20000);
    assert_int_equal(df_file_read(path, 1 << 20, &png, &bytes, NULL), DF_OK);
    assert_int_equal(bytes, 20000);
    free(png);
    json_decref(o);
}

static void a_pace_is_kept(void **state) {
    (void)state;
    json_t *o;
    assert_int_equal(
        run_simulate(&o, NULL,
                     (const char *[]) { "--workers", "20", "--images", "40", "--pace", "2", "--output", "json", NULL }),
        DF_EXIT_OK);
    assert_int_equal(count_of(o, "committed"), 40);
    assert_true(json_number_value(json_object_get(json_object_get(o, "run"), "seconds")) > 0.5);
    json_decref(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hundreds_of_workers_commit_every_row_once),
        cmocka_unit_test(pictures_of_a_size_arrive),
        cmocka_unit_test(a_pace_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Findings that come from another process as text, and what is counted and printed of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/doctor/findings.h"

static const char *field(const df_findings *f, size_t i, const char *name) {
    return json_string_value(json_object_get(json_array_get(f->list, i), name));
}

static void lines_are_read_and_all_else_is_left(void **state) {
    (void)state;
    df_findings f = { .list = json_array() };
    static const char text[] = "noise of a library\n"
                               "ok\tgpu\tdriver for CUDA 13.0\t\n"
                               "problem\tnccl\tnone\tinstall it\n"
                               "\n"
                               "fatal\tgpu\tno such level\t\n"
                               "ok\t\tno name\t\n"
                               "ok\tthree fields\tonly\n"
                               "warning\tlast\tcut off\tno line end";
    assert_int_equal(df_findings_read(&f, text), 3);
    assert_int_equal(f.n[DF_FOUND_OK], 1);
    assert_int_equal(f.n[DF_FOUND_NOTE], 0);
    assert_int_equal(f.n[DF_FOUND_WARNING], 1);
    assert_int_equal(f.n[DF_FOUND_PROBLEM], 1);
    assert_int_equal(json_array_size(f.list), 3);
    assert_string_equal(field(&f, 0, "text"), "driver for CUDA 13.0");
    assert_string_equal(field(&f, 1, "name"), "nccl");
    assert_string_equal(field(&f, 1, "level"), "problem");
    assert_string_equal(field(&f, 1, "fix"), "install it");
    assert_string_equal(field(&f, 2, "fix"), "no line end");
    json_decref(f.list);
}

static void long_and_unprintable_text_does_no_harm(void **state) {
    (void)state;
    char text[4 * DF_FINDING_TEXT], *shown = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&shown, &bytes);
    df_findings f = { .to = to, .list = json_array() };
    snprintf(text, sizeof text, "ok\tname that is far too long for its place\t\033[2J%0*d\tfix\n", 2 * DF_FINDING_TEXT,
             0);
    assert_int_equal(df_findings_read(&f, text), 1);
    fclose(to);
    assert_int_equal(strlen(field(&f, 0, "name")), DF_FINDING_NAME - 1);
    assert_int_equal(strlen(field(&f, 0, "text")), DF_FINDING_TEXT - 1);
    assert_null(strchr(shown, '\033'));
    json_decref(f.list);
    free(shown);
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    char *line = NULL;
    size_t bytes = 0;
    FILE *lines = open_memstream(&line, &bytes);
    df_findings other = { .lines = lines };
    df_found(&other, DF_FOUND_WARNING, "gpu 1", "leave\tit\nout", "sm_%d:\ttoo old", 70);
    fclose(lines);
    df_findings f = { .list = json_array() };
    assert_int_equal(df_findings_read(&f, line), 1);
    assert_string_equal(field(&f, 0, "level"), "warning");
    assert_string_equal(field(&f, 0, "name"), "gpu 1");
    assert_string_equal(field(&f, 0, "text"), "sm_70: too old");
    assert_string_equal(field(&f, 0, "fix"), "leave it out");
    json_decref(f.list);
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_and_all_else_is_left),
        cmocka_unit_test(long_and_unprintable_text_does_no_harm),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

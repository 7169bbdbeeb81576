#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/render/log_tail.h"
#include "client/render/out_state.h"
#include "tests/client/scratch.h"

static const char mine[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char other[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void tells_new_begun_and_complete(void **state) {
    df_out_kind kind;
    df_err err;
    const char *out = scratch_path("out");
    char job[256];
    (void)state;
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_OK); /* not there */
    assert_int_equal(kind, DF_OUT_NEW);
    assert_int_equal(df_out_begin(out, mine, &err), DF_OK);
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_OK);
    assert_int_equal(kind, DF_OUT_BEGUN);
    assert_int_equal(df_out_look(out, other, &kind, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "begun and not finished"));
    snprintf(job, sizeof job, "{\"title\": \"x\", \"manifest_sha256\": \"%s\"}\n", mine);
    scratch_write("out/job.json", job, strlen(job));
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_OK);
    assert_int_equal(kind, DF_OUT_COMPLETE);
    assert_int_equal(df_out_look(out, other, &kind, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "another job"));
    assert_int_equal(df_out_tidy(out, &err), DF_OK);
    assert_int_equal(access(scratch_path("out/.diffarm-render"), F_OK), -1);
    assert_int_equal(access(scratch_path("out/job.json"), F_OK), 0);
}

static void leaves_other_things_alone(void **state) {
    df_out_kind kind;
    df_err err;
    const char *out = scratch_path("holiday");
    (void)state;
    assert_int_equal(mkdir(out, 0777), 0);
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_OK); /* empty is fine */
    scratch_write("holiday/beach.jpg", "x", 1);
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "beach.jpg"));
    scratch_write("holiday/job.json", "no json", 7); /* nothing of ours, and not to be mistaken for it */
    assert_int_equal(df_out_look(out, mine, &kind, &err), DF_EEXIST);
}

static void counts_lines(void **state) {
    (void)state;
    scratch_write("l.jsonl", "a\nb\n", 4);
    assert_int_equal(df_out_count_lines(scratch_dir, "l.jsonl"), 2);
    assert_int_equal(df_out_count_lines(scratch_dir, "none.jsonl"), 0);
}

static void finds_the_line_that_matters(void **state) {
    char line[128];
    static const char text[] = "ts=1 event=start\ndiffarm: error: first\ndiffarm: error: port in use\nmore noise\n\n";
    (void)state;
    assert_string_equal(df_log_tail(scratch_write("a.log", text, sizeof text - 1), line, sizeof line), "port in use");
    assert_string_equal(df_log_tail(scratch_write("b.log", "one\ntwo\n\n", 9), line, sizeof line), "two");
    assert_string_equal(df_log_tail(scratch_path("none.log"), line, sizeof line), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_new_begun_and_complete),
        cmocka_unit_test(leaves_other_things_alone),
        cmocka_unit_test(counts_lines),
        cmocka_unit_test(finds_the_line_that_matters),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/progress.h"
#include "client/report.h"

static Diffarm__JobStatus status(void) {
    Diffarm__JobStatus j = DIFFARM__JOB_STATUS__INIT;
    j.job_id = (char *)"0123456789abcdef";
    j.state = (char *)"running";
    j.n_rows = 28;
    j.n_done = 13;
    j.n_failed = 1;
    j.images_per_second = 3.5;
    j.eta_seconds = 4;
    j.n_workers = 2;
    return j;
}

static void draws_a_bar(void **state) {
    char text[256];
    Diffarm__JobStatus j = status();
    (void)state;
    assert_string_equal(df_progress_text(text, sizeof text, &j, 120),
                        "[############------------] 13/28 pictures, 3.50 images/s, ETA 4 s, 2 workers, 1 failed");
    assert_int_equal(strlen(df_progress_text(text, sizeof text, &j, 50)), 49);
    j.steps_done = 1e9; /* whatever a worker says, the bar ends */
    assert_non_null(strstr(df_progress_text(text, sizeof text, &j, 120), "[########################]"));
    j.n_rows = 0;
    df_progress_text(text, sizeof text, &j, 120);
}

static void shows_problems(void **state) {
    char text[256];
    Diffarm__JobStatus j = status();
    (void)state;
    j.problem = (char *)"disk full";
    j.eta_seconds = -1;
    j.n_failed = 0;
    assert_string_equal(df_progress_text(text, sizeof text, &j, 0),
                        "46 %: 13/28 pictures, 3.50 images/s, 2 workers -- disk full");
}

static void notes_are_told_once(void **state) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    df_progress p = { .to = f };
    (void)state;
    df_progress_note(&p, "away");
    df_progress_note(&p, "away");
    df_progress_note(&p, "");
    df_progress_note(&p, "away");
    fclose(f);
    assert_string_equal(text, "diffarm: away\ndiffarm: away\n");
    free(text);
}

static void quiet_is_quiet(void **state) {
    df_progress p = df_progress_to(stderr, true);
    Diffarm__JobStatus j = status();
    (void)state;
    df_progress_show(&p, &j);
    df_progress_note(&p, "x");
    df_progress_end(&p);
    assert_null(p.to);
}

static void tells_durations(void **state) {
    char t[40];
    (void)state;
    assert_string_equal(df_report_duration(t, sizeof t, 0.4), "0 s");
    assert_string_equal(df_report_duration(t, sizeof t, 200), "3 min 20 s");
    assert_string_equal(df_report_duration(t, sizeof t, 7500), "2 h 05 min");
    df_report_duration(t, sizeof t, 1e300);
}

static void json_has_every_number(void **state) {
    Diffarm__JobStatus j = status();
    Diffarm__Failure f = DIFFARM__FAILURE__INIT, *all[] = { &f };
    (void)state;
    f.error = (char *)"NaN";
    f.line = 7;
    j.failures = all;
    j.n_failures = 1;
    json_t *v = df_report_job_json(&j);
    assert_non_null(v);
    assert_int_equal(json_integer_value(json_object_get(v, "images")), 28);
    assert_int_equal(json_integer_value(json_object_get(v, "done")), 13);
    assert_string_equal(json_string_value(json_object_get(v, "state")), "running");
    const json_t *first = json_array_get(json_object_get(v, "failures"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 7);
    json_decref(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_a_bar),    cmocka_unit_test(shows_problems),  cmocka_unit_test(notes_are_told_once),
        cmocka_unit_test(quiet_is_quiet), cmocka_unit_test(tells_durations), cmocka_unit_test(json_has_every_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

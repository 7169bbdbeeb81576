/* The record of a scaling test as a file: what is written is read again, what is wrong is told with its place. */
#include "tests/client/bench/scale/some_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/bench/scale/report.h"
#include "tests/client/scratch.h"

static const int workers[] = { 1, 2, 4, 8, 16 };

static df_code write_text(const char *path, const json_t *file) {
    char *text = json_dumps(file, JSON_INDENT(1));
    df_code rc = df_file_write(path, text, strlen(text), NULL);
    free(text);
    return rc;
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    df_err err = { 0 };
    df_scale_analysis a;
    df_scale_record out = some_record(workers, 5), in;
    snprintf(out.points[2].failure, sizeof out.points[2].failure, "worker-2: \"no\" room");
    out.points[0].run[1].traced = false;
    out.points[0].run[1].others_share = -1;
    assert_int_equal(df_scale_analysis_of(&a, &out, NULL, NULL, &err), DF_OK);
    const char *path = scratch_path("scale.json");
    assert_int_equal(df_scale_report_write(&out, &a, 128, path, &err), DF_OK);
    if (df_scale_record_read(&in, path, &err)) fail_msg("%s", err.text);
    assert_int_equal(df_scale_record_same(&in, &out.machine, &out.setting, path, &err), DF_OK);
    assert_int_equal(in.n_points, 6);
    for (int i = 0; i < 6; i++) {
        const df_scale_point *p = &in.points[i], *q = &out.points[i];
        assert_true(p->workers == q->workers && p->depth == q->depth && p->pictures == q->pictures);
        assert_int_equal(p->n_runs, 2);
        assert_string_equal(p->failure, q->failure);
        for (int k = 0; k < 2; k++) {
            assert_true(p->run[k].traced == q->run[k].traced);
            assert_true(p->run[k].others_share == q->run[k].others_share);
            assert_true(p->run[k].seconds / q->run[k].seconds - 1 < 1e-8);
        }
    }
    json_t *file = json_load_file(path, 0, NULL);
    assert_true(json_is_object(json_object_get(file, "analysis")));
    json_decref(file);
    df_scale_analysis_free(&a);
    df_scale_record_free(&in);
    df_scale_record_free(&out);
}

/* A value somewhere in the file is another, or gone. */
typedef struct fault {
    const char *path[4]; /* keys; "0", "1": places in lists */
    const char *value; /* JSON; NULL: the key is removed */
    const char *says;
} fault;

static const fault faults[] = {
    { { "format" }, "\"diffarm costs\"", "format is not" },
    { { "version" }, "2", "version is missing, or no whole number from 1 to 1" },
    { { "machine" }, NULL, "machine.name is missing" },
    { { "machine", "cores" }, "-1", "machine.cores is missing, or no whole number from 0" },
    { { "setting", "scaling" }, "\"medium\"", "setting.scaling must be \"strong\" or \"weak\"" },
    { { "setting", "launcher" }, "7", "setting.launcher must be" },
    { { "setting", "pictures" }, "0", "setting.pictures" },
    { { "setting", "steps" }, "2.5", "setting.steps" },
    { { "setting", "dtype" }, "\"a very long name of a type\"", "setting.dtype is too long" },
    { { "points" }, "{}", "points is missing, or no list" },
    { { "points", "1", "workers" }, "0", "points[1].workers" },
    { { "points", "1", "workers" }, "1", "points[1].workers and pipeline come a second time" },
    { { "points", "1", "pipeline" }, "65", "points[1].pipeline is missing, or no whole number from 1 to 64" },
    { { "points", "1", "pictures" }, "\"many\"", "points[1].pictures" },
    { { "points", "1", "runs" }, "7", "points[1].runs is no list" },
    { { "points", "1", "failure" }, "7", "points[1].failure" },
};

static json_t *step(json_t *at, const char *key) {
    return json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
}

static void expect_refusal(const json_t *file, const char *says) {
    df_scale_record r;
    df_err err = { 0 };
    const char *path = scratch_path("bad.json");
    assert_int_equal(write_text(path, file), DF_OK);
    assert_int_equal(df_scale_record_read(&r, path, &err), DF_EFORMAT);
    if (!strstr(err.text, says) || !strstr(err.text, path)) fail_msg("'%s' does not say '%s'", err.text, says);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    df_scale_record r = some_record(workers, 5);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        json_t *file = df_scale_record_json(&r), *at = file;
        const char *const *key = faults[i].path;
        while (key[1]) at = step(at, *key++);
        if (faults[i].value)
            json_object_set_new(at, *key, json_loads(faults[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(at, *key);
        expect_refusal(file, faults[i].says);
        json_decref(file);
    }
    df_scale_record_free(&r);
}

static void runs_are_looked_at(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *says;
    } bad[] = { { "seconds", "0", "points[0].runs[1].seconds is 0" },
                { "seconds", "-1", "points[0].runs[1].seconds is missing, or no number from 0" },
                { "others_share", "1.5", "points[0].runs[1].others_share is missing, or no number from 0 to 1" },
                { "wall_seconds", "null", "points[0].runs[1].wall_seconds" },
                { "shares", "{\"compute\": 1.5}",
                  "points[0].runs[1].shares.compute is missing, or no number from 0 to 1" },
                { "shares", "{\"compute\": 0.5}", "points[0].runs[1].shares.sample" } };
    df_scale_record r = some_record(workers, 5);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *file = df_scale_record_json(&r);
        json_t *run = json_array_get(json_object_get(json_array_get(json_object_get(file, "points"), 0), "runs"), 1);
        json_object_set_new(run, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        expect_refusal(file, bad[i].says);
        json_decref(file);
    }
    df_scale_record_free(&r);
}

static void what_is_no_json_is_refused(void **state) {
    (void)state;
    df_scale_record r;
    df_err err = { 0 };
    assert_int_equal(df_scale_record_read(&r, scratch_write("cut.json", "{\n \"format\":", 12), &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(df_scale_record_read(&r, scratch_path("nowhere.json"), &err), DF_ENOTFOUND);
}

/* Runs with other settings do not get into one record. */
static void what_differs_is_named(void **state) {
    (void)state;
    df_err err = { 0 };
    df_scale_record r = some_record(workers, 5);
    df_scale_setting other = r.setting;
    df_scale_machine elsewhere = r.machine;
    snprintf(other.dtype, sizeof other.dtype, "f32");
    assert_int_equal(df_scale_record_same(&r, &r.machine, &other, "x/scale.json", &err), DF_EEXIST);
    assert_string_equal(err.text, "x/scale.json: has runs with the dtype 'bf16', these are with 'f32'; choose another "
                                  "folder (-o)");
    elsewhere.cores = 2;
    assert_int_equal(df_scale_record_same(&r, &elsewhere, &r.setting, "x", &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "cores '64'"));
    other = r.setting;
    other.weak = true;
    assert_int_equal(df_scale_record_same(&r, &r.machine, &other, "x", &err), DF_EEXIST);
    df_scale_record_free(&r);
}

/* Whatever the order they come in. */
static void points_stand_by_depth_and_workers(void **state) {
    (void)state;
    df_err err = { 0 };
    df_scale_record r = { .n_points = 0 };
    const int asked[][2] = { { 4, 1 }, { 1, 2 }, { 1, 1 }, { 4, 1 }, { 2, 2 }, { 2, 1 } };
    const int want[][2] = { { 1, 1 }, { 2, 1 }, { 4, 1 }, { 1, 2 }, { 2, 2 } };
    for (int i = 0; i < 6; i++) assert_non_null(df_scale_record_point(&r, asked[i][0], asked[i][1], &err));
    assert_int_equal(r.n_points, 5);
    for (int i = 0; i < 5; i++) assert_true(r.points[i].workers == want[i][0] && r.points[i].depth == want[i][1]);
    for (int i = 0; r.n_points < DF_SCALE_MOST_POINTS; i++) df_scale_record_point(&r, 100 + i, 1, &err);
    assert_null(df_scale_record_point(&r, 99, 1, &err));
    assert_int_equal(err.code, DF_ELIMIT);
    df_scale_record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(runs_are_looked_at),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(what_differs_is_named),
        cmocka_unit_test(points_stand_by_depth_and_workers),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

/* The folder of a farm: bash reads back what was given, others do not, and two farms do not mix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "client/slurm/farm_folder.h"
#include "client/slurm/output.h"

static char *render[] = { (char *)"--negative", (char *)"it's; $HOME `ls` \"x\" \\ (a)\n--end", (char *)"" };

static df_slurm_options some_options(void) {
    return (df_slurm_options) { .manifest = "a 'list'.jsonl",
                                .model = "models/$x",
                                .out = "out",
                                .time = "2:00:00",
                                .nodes = 3,
                                .pipeline = 2,
                                .render = render,
                                .n_render = 3 };
}

static int open_dir(void **state) {
    char *dir = strdup("/tmp/df-farm-XXXXXX");
    *state = dir;
    return mkdtemp(dir) == NULL;
}

static int close_dir(void **state) {
    df_code rc = df_file_remove_tree(*state, NULL);
    free(*state);
    return rc != DF_OK;
}

static void bash_reads_what_was_given(void **state) {
    const char *dir = *state;
    char out[1000], wanted[1000];
    df_slurm_options o = some_options();
    assert_int_equal(df_farm_folder_write(dir, "/the/farm", &o, NULL), DF_OK);
    const char *argv[] = { "bash", "-euc",
                           ". \"$0/farm.conf\"; printf '%s|' \"$FARM\" \"$MANIFEST\" \"$MODEL\" \"$NODES\" \"$TIME\" "
                           "\"$PIPELINE\" \"$ELASTIC\" \"${RENDER_OPTIONS[@]}\"",
                           dir, NULL };
    assert_int_equal(df_output_of(argv, NULL, out, sizeof out, NULL), DF_OK);
    snprintf(wanted, sizeof wanted, "/the/farm|%s|%s|3|2:00:00|2||%s|%s|%s|", o.manifest, o.model, render[0], render[1],
             render[2]);
    assert_string_equal(out, wanted);
}

static void traces_are_asked_for_or_not(void **state) {
    const char *argv[] = { "bash", "-euc", ". \"$0/farm.conf\"; printf %s \"${TRACES-none}\"", *state, NULL };
    char out[100];
    df_slurm_options o = some_options();
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_OK);
    assert_int_equal(df_output_of(argv, NULL, out, sizeof out, NULL), DF_OK);
    assert_string_equal(out, "none");
    o.traces = "it's/there";
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_EEXIST); /* it is another submission */
    assert_int_equal(df_file_remove_tree(*state, NULL), DF_OK);
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_OK);
    assert_int_equal(df_output_of(argv, NULL, out, sizeof out, NULL), DF_OK);
    assert_string_equal(out, "it's/there");
}

static void others_cannot_look_in(void **state) {
    struct stat is;
    df_slurm_options o = some_options();
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_OK);
    assert_int_equal(stat(*state, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0700);
}

static void a_farm_goes_on_with_its_own_options_alone(void **state) {
    df_err err;
    df_slurm_options o = some_options();
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_OK);
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, NULL), DF_OK);
    o.nodes = 4;
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "--farm"));
}

static void a_site_file_that_is_not_there_is_named(void **state) {
    df_err err;
    df_slurm_options o = some_options();
    o.site = "/nowhere/site.conf";
    assert_int_equal(df_farm_folder_write(*state, "/the/farm", &o, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/site.conf"));
}

static void output_is_cut_to_fit_and_failures_are_told(void **state) {
    (void)state;
    char out[4];
    const char *much[] = { "sh", "-c", "echo abcdefgh", NULL }, *fails[] = { "false", NULL };
    const char *absent[] = { "/nowhere/program", NULL };
    assert_int_equal(df_output_of(much, NULL, out, sizeof out, NULL), DF_OK);
    assert_string_equal(out, "abc");
    assert_int_equal(df_output_of(fails, NULL, out, sizeof out, NULL), DF_EUNREACHABLE);
    assert_int_not_equal(df_output_of(absent, NULL, out, sizeof out, NULL), DF_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bash_reads_what_was_given, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(traces_are_asked_for_or_not, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(others_cannot_look_in, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_farm_goes_on_with_its_own_options_alone, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_site_file_that_is_not_there_is_named, open_dir, close_dir),
        cmocka_unit_test(output_is_cut_to_fit_and_failures_are_told),
    };
    return cmocka_run_group_tests_name("farm_folder", tests, NULL, NULL);
}

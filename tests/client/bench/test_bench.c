/* `diffarm bench` on the starter model: what it prints, for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "engine/backend/backend.h"
#include "tests/support/golden.h"

/* stdout of the command, to be read line by line. */
static FILE *bench(int want, const char *const *args) {
    char path[4096], *argv[16] = { (char *)"diffarm bench", (char *)"-m" };
    int argc = 3;
    argv[2] = (char *)golden_source_path("models/starter");
    for (; *args; args++) argv[argc++] = (char *)*args;
    snprintf(path, sizeof path, "%s/out", golden_temp_dir());
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600), saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    close(file);
    int code = df_cmd_bench(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(code, want);
    return fopen(path, "r");
}

static double number_of(FILE *f, const char *key) {
    json_error_t e;
    json_t *line = json_loadf(f, JSON_DISABLE_EOF_CHECK, &e);
    assert_non_null(line);
    json_t *value = json_object_get(line, key);
    if (!value) fail_msg("no '%s'", key);
    double x = json_number_value(value);
    json_decref(line);
    return x;
}

static void check(const char *what, const char *dtype, const char *batch) {
    FILE *f = bench(DF_EXIT_OK, (const char *[]) { what, "--dtype", dtype, "--batch", batch, "--runs", "3", "--threads",
                                                   "2", "--output", "json", NULL });
    double least = 1e9, most = 0;
    for (int i = 0; i < 3; i++) {
        double s = number_of(f, "seconds");
        assert_true(s > 0);
        if (s < least) least = s;
        if (s > most) most = s;
    }
    double median = number_of(f, "median");
    assert_true(least <= median && median <= most);
    rewind(f);
    for (int i = 0; i < 3; i++) number_of(f, "seconds");
    assert_true(number_of(f, "peak_rss_bytes") > 1e6);
    assert_int_equal(fgetc(f), '\n');
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
}

static void test_every_component(void **state) {
    (void)state;
    check("text", "f32", "2");
    check("unet", "f32", "2");
    check("vae", "f32", "1");
}

static void test_bf16(void **state) {
    (void)state;
    if (df_backend_can_compute_in(df_backend_find("cpu"), DF_BF16, NULL)) skip();
    check("text", "bf16", "1");
    check("unet", "bf16", "3");
    check("vae", "bf16", "1");
}

static void test_int8(void **state) {
    (void)state;
    if (df_backend_can_do(df_backend_find("cpu"), (df_arithmetic) { .dtype = DF_BF16, .int8 = true }, NULL)) skip();
    check("unet", "int8", "3");
}

static void test_int8_without_scales(void **state) {
    (void)state;
    fclose(bench(DF_EXIT_USAGE,
                 (const char *[]) { "unet", "--dtype", "int8", "--int8-scales", "/nowhere/scales.json", NULL }));
}

static void test_ops_are_all_there(void **state) {
    (void)state;
    FILE *f = bench(DF_EXIT_OK, (const char *[]) { "unet", "--runs", "1", "--ops", "--output", "json", NULL });
    double all = number_of(f, "seconds"), sum = 0, nodes = 0;
    char line[256];
    assert_non_null(fgets(line, sizeof line, f)); /* the end of the first one */
    for (double s, n; fgets(line, sizeof line, f);) {
        const char *at = strstr(line, "\"nodes\":");
        if (!at) continue;
        assert_int_equal(sscanf(at, "\"nodes\":%lf,\"op_seconds\":%lf", &n, &s), 2);
        nodes += n;
        sum += s;
    }
    assert_true(nodes > 100);
    assert_true(sum > 0 && sum <= all);
    fclose(f);
}

/* Two lines on standard input: two runs, however many there might be; none: no run, and no median of nothing. */
static void test_runs_in_turns(void **state) {
    (void)state;
    for (int turns = 0; turns <= 2; turns += 2) {
        int lines[2], saved = dup(STDIN_FILENO);
        assert_int_equal(pipe(lines), 0);
        assert_int_equal(write(lines[1], "\n\n", (size_t)turns), turns);
        close(lines[1]);
        dup2(lines[0], STDIN_FILENO);
        close(lines[0]);
        clearerr(stdin);
        FILE *f = bench(DF_EXIT_OK, (const char *[]) { "text", "--in-turns", "--runs", "9", "--output", "json", NULL });
        dup2(saved, STDIN_FILENO);
        close(saved);
        for (int i = 0; i < turns; i++) assert_true(number_of(f, "seconds") > 0);
        if (turns) number_of(f, "peak_rss_bytes");
        if (turns) assert_int_equal(fgetc(f), '\n');
        assert_int_equal(fgetc(f), EOF);
        fclose(f);
    }
}

static void test_a_size_that_cannot_be(void **state) {
    (void)state;
    fclose(bench(DF_EXIT_USAGE, (const char *[]) { "vae", "--size", "63x64", NULL }));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_component),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_int8_without_scales),
        cmocka_unit_test(test_ops_are_all_there),
        cmocka_unit_test(test_runs_in_turns),
        cmocka_unit_test(test_a_size_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

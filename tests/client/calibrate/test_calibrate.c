/* `diffarm calibrate` on the starter model: a file that the model takes, the same one each time, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "client/commands.h"
#include "engine/adapters/int8_scales.h"
#include "engine/models/model.h"
#include "tests/support/golden.h"

static const char *at(const char *name) {
    static char path[4][4096];
    static int next;
    snprintf(path[next %= 4], sizeof *path, "%s/%s", golden_temp_dir(), name);
    return path[next++];
}

static int calibrate(const char *out, const char *const *args) {
    char *argv[24] = { (char *)"diffarm calibrate",
                       (char *)"-m",
                       (char *)golden_source_path("models/starter"),
                       (char *)"-o",
                       (char *)out,
                       (char *)"--output",
                       (char *)"quiet" };
    int argc = 7;
    for (; *args; args++) argv[argc++] = (char *)*args;
    return df_cmd_calibrate(argc, argv);
}

static const char *prompts(const char *text) {
    const char *path = at("prompts.txt");
    assert_int_equal(df_file_write(path, text, strlen(text), NULL), DF_OK);
    return path;
}

static char *read_file(const char *path) {
    char *text;
    size_t bytes;
    df_err err;
    if (df_file_read(path, 1 << 20, &text, &bytes, &err)) fail_msg("%s", err.text);
    return text;
}

static void the_model_takes_what_it_writes(void **state) {
    (void)state;
    const char *out = at("a.json"), *again = at("b.json");
    const char *file = prompts("red apple\r\n\nghost\n");
    const char *args[] = { "--prompts", file, "--steps", "2", "--threads", "2", "--min-snr", "20", NULL };
    assert_int_equal(calibrate(out, args), DF_EXIT_OK);
    args[5] = "1";
    assert_int_equal(calibrate(again, args), DF_EXIT_OK);
    char *a = read_file(out), *b = read_file(again);
    assert_string_equal(a, b); /* threads leave no trace */
    assert_non_null(strstr(a, "\"prompts\": 2"));
    free(a);
    free(b);
    const df_adapter_use use = { .kind = DF_ADAPTER_INT8_SCALES, .path = out };
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    if (df_model_check_adapter(m, &use, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
}

static void noisy_layers_are_kept(void **state) {
    (void)state;
    const char *out = at("c.json");
    const char *args[] = { "--prompts", prompts("red apple\n"), "--steps", "1", "--min-snr", "36", NULL };
    assert_int_equal(calibrate(out, args), DF_EXIT_OK);
    char *text = read_file(out);
    const char *kept = strstr(text, "\"kept\"");
    assert_non_null(kept);
    assert_non_null(strstr(kept, "ff.net.2"));
    free(text);
}

static void bad_questions_write_nothing(void **state) {
    (void)state;
    const char *out = at("none.json");
    static const char *const cases[][5] = {
        { "--prompts", "/nowhere/prompts.txt", NULL },
        { "--size", "63x64", NULL },
        { "--steps", "1", "--min-snr", "100", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(calibrate(out, cases[i]), DF_EXIT_OK);
        assert_int_not_equal(access(out, F_OK), 0);
    }
    assert_int_not_equal(calibrate(out, (const char *[]) { "--prompts", prompts("\n\n"), NULL }), DF_EXIT_OK);
    assert_int_not_equal(calibrate("/nowhere/out.json", (const char *[]) { "--steps", "1", NULL }), DF_EXIT_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_takes_what_it_writes),
        cmocka_unit_test(noisy_layers_are_kept),
        cmocka_unit_test(bad_questions_write_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

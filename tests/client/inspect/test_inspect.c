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

#include "base/file.h"
#include "client/commands.h"
#include "tests/support/golden.h"

/* What the command printed, stdout and stderr apart. */
typedef struct printed {
    char *out, *err;
} printed;

static char *redirect(int fd, const char *name, int *saved) {
    static char path[2][4096];
    char *p = path[fd == STDERR_FILENO];
    snprintf(p, sizeof path[0], "%s/%s", golden_temp_dir(), name);
    int file = open(p, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(file >= 0);
    fflush(NULL);
    *saved = dup(fd);
    dup2(file, fd);
    close(file);
    return p;
}

static char *restore(int fd, int saved, const char *path) {
    char *text = NULL;
    size_t bytes;
    fflush(NULL);
    dup2(saved, fd);
    close(saved);
    assert_int_equal(df_file_read(path, 1 << 24, &text, &bytes, NULL), DF_OK);
    return text;
}

static int inspect(printed *p, const char *const *args) {
    char *argv[16] = { (char *)"diffarm inspect" };
    int argc = 1, saved_out, saved_err;
    for (; args[argc - 1]; argc++) argv[argc] = (char *)args[argc - 1];
    const char *out = redirect(STDOUT_FILENO, "out", &saved_out), *err = redirect(STDERR_FILENO, "err", &saved_err);
    int code = df_cmd_inspect(argc, argv);
    p->err = restore(STDERR_FILENO, saved_err, err);
    p->out = restore(STDOUT_FILENO, saved_out, out);
    return code;
}

static void printed_free(printed *p) {
    free(p->out);
    free(p->err);
}

#define INSPECT(p, ...) inspect(p, (const char *const[]) { __VA_ARGS__, NULL })

static const char *starter(void) {
    return golden_source_path("models/starter");
}

static json_t *inspect_json(const char *ranks) {
    printed p;
    json_error_t why;
    assert_int_equal(INSPECT(&p, starter(), "--pipeline", ranks, "--output", "json"), DF_EXIT_OK);
    assert_string_equal(p.err, "");
    json_t *o = json_loads(p.out, 0, &why);
    if (!o) fail_msg("%s: %s", why.text, p.out);
    printed_free(&p);
    return o;
}

static json_t *component(json_t *o, const char *name) {
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(o, "components"), i,
                       c) if (!strcmp(json_string_value(json_object_get(c, "name")), name)) return c;
    fail_msg("no component %s", name);
    return NULL;
}

static json_int_t int_of(const json_t *o, const char *key) {
    return json_integer_value(json_object_get(o, key));
}

static double real_of(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key));
}

static void check_sums(json_t *c) {
    json_t *plan = json_object_get(c, "plan"), *stage;
    json_int_t parameters = 0, nodes = 0, sent = 0, crossing = 0;
    double share = 0;
    size_t i;
    json_array_foreach(json_object_get(plan, "stages"), i, stage) {
        parameters += int_of(stage, "parameters");
        nodes += int_of(stage, "nodes");
        sent += int_of(stage, "bytes_sent_per_row");
        share += real_of(stage, "share");
    }
    json_array_foreach(json_object_get(plan, "values"), i, stage) crossing += int_of(stage, "bytes_per_row");
    assert_int_equal(parameters, int_of(c, "parameters")); /* no weight lies on two ranks */
    assert_int_equal(nodes, int_of(c, "nodes"));
    assert_int_equal(sent, int_of(plan, "bytes_crossing_per_row"));
    assert_int_equal(crossing, sent);
    assert_float_equal(share, 1, 1e-6);
}

static void test_starter_on_two_ranks(void **state) {
    (void)state;
    json_t *o = inspect_json("2"), *unet = component(o, "unet"), *plan = json_object_get(unet, "plan");
    assert_string_equal(json_string_value(json_object_get(o, "pipeline_class")), "StableDiffusionPipeline");
    assert_int_equal(int_of(o, "text_tokens"), 77);
    assert_true(int_of(unet, "parameters") > 8700000 && int_of(unet, "parameters") < 8900000);
    assert_int_equal(int_of(unet, "f32_bytes"), 4 * int_of(unet, "parameters"));
    json_t *memory = json_object_get(unet, "memory"), *f32 = json_object_get(memory, "f32"),
           *bf16 = json_object_get(memory, "bf16");
    /* Convolutions with fewer products hold larger weights: none in bf16, some in f32. */
    assert_true(int_of(f32, "weight_bytes") >= 2 * int_of(bf16, "weight_bytes"));
    assert_true(int_of(bf16, "weight_bytes") >= 2 * int_of(unet, "parameters"));
    assert_true(int_of(bf16, "activation_bytes_per_row") > 0);
    assert_true(int_of(bf16, "activation_bytes_per_row") < int_of(f32, "activation_bytes_per_row"));
    assert_int_equal(int_of(unet, "stored_bytes"), 2 * int_of(unet, "parameters")); /* F16 */
    assert_string_equal(json_string_value(json_object_get(plan, "kind")), "folded");
    assert_true(real_of(plan, "spread") < 0.15);
    assert_true(2 * int_of(plan, "bytes_crossing_per_row") < int_of(plan, "bytes_crossing_naive_per_row"));
    assert_int_equal(json_array_size(json_object_get(plan, "segments")), 3); /* 0, 1, 0 */
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(component(o, "text_encoder"), "plan"), "kind")), "linear");
    json_decref(o);
}

static void test_sums_for_any_ranks(void **state) {
    (void)state;
    static const char *const ranks[] = { "1", "2", "3", "4", "7" };
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        json_t *o = inspect_json(ranks[i]), *c;
        size_t k;
        json_array_foreach(json_object_get(o, "components"), k, c) check_sums(c);
        assert_true(real_of(json_object_get(component(o, "unet"), "plan"), "efficiency") > 0.93);
        json_decref(o);
    }
}

static void test_text(void **state) {
    (void)state;
    static const char *const wanted[] = { "StableDiffusionPipeline",
                                          "default size  64x64",
                                          "dpmpp_2m",
                                          "unet on 2 ranks: folded plan",
                                          "text_encoder on 2 ranks: linear plan",
                                          "consecutive slices would send",
                                          "predicted efficiency",
                                          "0 -> 1" };
    printed p;
    assert_int_equal(INSPECT(&p, starter(), "--pipeline=2", "--values", "--size", "96x64"), DF_EXIT_OK);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(p.out, wanted[i])) fail_msg("'%s' is missing in:\n%s", wanted[i], p.out);
    assert_null(strstr(p.out, "sha256"));
    printed_free(&p);
    assert_int_equal(INSPECT(&p, starter(), "--hash"), DF_EXIT_OK);
    const char *hash = strstr(p.out, "sha256        ");
    assert_non_null(hash);
    assert_int_equal(strspn(hash + strlen("sha256        "), "0123456789abcdef"), 64);
    assert_null(strstr(p.out, " plan\n"));
    printed_free(&p);
}

static void test_bad_input_names_what_is_wrong(void **state) {
    (void)state;
    printed p;
    assert_int_equal(INSPECT(&p, "no/such/model"), DF_EXIT_USAGE);
    assert_non_null(strstr(p.err, "diffarm: error: "));
    assert_non_null(strstr(p.err, "no/such/model"));
    assert_string_equal(p.out, "");
    printed_free(&p);
    assert_int_equal(INSPECT(&p, starter(), "--size", "65x64"), DF_EXIT_USAGE);
    assert_non_null(strstr(p.err, "65x64"));
    assert_string_equal(p.out, "");
    printed_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starter_on_two_ranks),
        cmocka_unit_test(test_sums_for_any_ranks),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_input_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

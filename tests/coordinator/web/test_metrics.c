/* /metrics: every family is described before its samples, and has what the Grafana board draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/web/metrics.h"
#include "tests/coordinator/bench.h"

/* A farm with something in it, so that families of jobs and workers have samples. */
static int open_farm(void **state) {
    bench *b = bench_open();
    bench_hello(b, "w", MODEL_A, NULL);
    bench_submit(b, JOB_1, b->out, 3, NULL);
    *state = b;
    return 0;
}

static int close_farm(void **state) {
    bench_close(*state);
    return 0;
}

static bool has_samples(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, n) && (line[n] == ' ' || line[n] == '{')) return true;
    }
    return false;
}

static void families_are_described_before_their_samples(void **state) {
    bench *b = *state;
    char *text = df_metrics_text(b->farm), *rest = text, *line, type[64] = "";
    assert_non_null(text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    while ((line = strsep(&rest, "\n"))) {
        if (!*line || !strncmp(line, "# HELP ", 7)) continue;
        if (sscanf(line, "# TYPE %63s", type) == 1) continue;
        size_t n = strcspn(line, " {");
        if (strlen(type) != n || strncmp(type, line, n) != 0) fail_msg("'%s' stands under '%s'", line, type);
    }
    free(text);
}

static int n_names; /* that the board uses */

/* Names of metrics begin with the program they tell of. */
static void expect_names_of(const char *query, const char *metrics) {
    static const char name_chars[] = "abcdefghijklmnopqrstuvwxyz_";
    while (*query) {
        char name[128];
        size_t n = strspn(query, name_chars);
        bool is_metric = !strncmp(query, "diffarm_", 8) || !strncmp(query, "process_", 8);
        snprintf(name, sizeof name, "%.*s", (int)n, query);
        if (is_metric && !has_samples(metrics, name)) fail_msg("the board draws %s, which /metrics has not", name);
        n_names += is_metric;
        query += n ? n : 1;
    }
}

static void expect_names_in(const json_t *node, const char *metrics) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)node, key, value) {
        bool is_query = !strcmp(key, "expr") || !strcmp(key, "query");
        if (is_query && json_is_string(value)) expect_names_of(json_string_value(value), metrics);
        expect_names_in(value, metrics);
    }
    json_array_foreach(node, i, value) expect_names_in(value, metrics);
}

static void the_board_draws_what_is_there(void **state) {
    bench *b = *state;
    char *text = df_metrics_text(b->farm);
    json_error_t why;
    json_t *board = json_load_file(DF_SOURCE_DIR "/docs/grafana/diffarm.json", 0, &why);
    if (!board) fail_msg("docs/grafana/diffarm.json:%d: %s", why.line, why.text);
    expect_names_in(board, text);
    assert_true(n_names > 10);
    json_decref(board);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_described_before_their_samples),
        cmocka_unit_test(the_board_draws_what_is_there),
    };
    return cmocka_run_group_tests(tests, open_farm, close_farm);
}

#include "tests/client/eval/golden_runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config/json_config.h"

#ifdef DF_TEST_ON_CUDA
const bool golden_runs_on_cuda = true;
static const char *const backends[] = { "cuda" };
#else
const bool golden_runs_on_cuda = false;
static const char *const backends[] = { "reference", "cpu" };
#endif

/* One whose first sigma is 4096 multiplies rounding. */
static double tolerance_of(const char *run) {
    return strcmp(run, "run.euler_zero_snr") ? 1e-4 : 3e-4;
}

static void add_test(golden_runs *r, struct CMUnitTest test) {
    if (r->n == GOLDEN_RUNS_MAX) {
        print_error("more than %d tests\n", GOLDEN_RUNS_MAX);
        exit(EXIT_FAILURE);
    }
    r->tests[r->n++] = test;
}

static void add_run(golden_runs *r, const char *from, const char *run, const char *backend, const void *family,
                    CMUnitTestFunction test) {
    size_t i = r->n;
    add_test(r, (struct CMUnitTest) { r->name[i], test, NULL, NULL, &r->run[i] });
    r->run[i] = (golden_run) { .golden = from, .backend = backend, .family = family, .tolerance = tolerance_of(run) };
    snprintf(r->run[i].run, sizeof r->run[i].run, "%s", run);
    snprintf(r->name[i], sizeof r->name[i], "%s %s %s", from, run, backend);
}

static void absent(void **state) {
    golden *g = golden_open(*state); /* skips */
    golden_close(&g);
}

void golden_runs_add(golden_runs *r, const char *from, const void *family, CMUnitTestFunction test) {
    json_t *about = NULL, *run;
    const char *name;
    char path[4096];
    snprintf(path, sizeof path, "%s/golden.json", golden_dir(from) ? golden_dir(from) : "");
    if (df_json_load(&about, path, NULL)) {
        add_test(r, (struct CMUnitTest) { from, absent, NULL, NULL, (void *)from });
        return;
    }
    json_object_foreach(json_object_get(about, "runs"), name, run) for (size_t b = 0;
                                                                        b < sizeof backends / sizeof *backends; b++)
        add_run(r, from, name, backends[b], family, test);
    json_decref(about);
}

void golden_runs_append(golden_runs *r, const struct CMUnitTest *tests, size_t n) {
    for (size_t i = 0; i < n; i++) add_test(r, tests[i]);
}

int golden_runs_test(golden_runs *r) {
    return _cmocka_run_group_tests("runs", r->tests, r->n, NULL, NULL);
}

const json_t *golden_run_about(const golden *g, const char *run) {
    const json_t *about = json_object_get(json_object_get(golden_json(g), "runs"), run);
    if (!about) fail_msg("no run '%s'", run);
    return about;
}

double golden_run_number(const json_t *about, const char *key, double otherwise) {
    const json_t *value = json_object_get(json_object_get(about, "call"), key);
    return value ? json_number_value(value) : otherwise;
}

const char *golden_run_scheduler(eval_call *c, const json_t *about) {
    json_t *config = json_deep_copy(json_object_get(about, "scheduler_config"));
    json_object_set(config, "_class_name", json_object_get(about, "scheduler"));
    char *text = json_dumps(config, JSON_INDENT(1));
    assert_non_null(text);
    const char *path = eval_call_file(c, "scheduler.json", text);
    free(text);
    json_decref(config);
    return path;
}

void golden_run_give_noise(eval_call *c, const golden *g, const char *run) {
    char from[GOLDEN_RUNS_NAME + 32], to[32];
    for (int i = 0; snprintf(from, sizeof from, "%s.noise.%d", run, i), golden_has(g, from); i++) {
        snprintf(to, sizeof to, "noise.%d", i);
        eval_call_give(c, to, golden_view(g, from));
    }
}

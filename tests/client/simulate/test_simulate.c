/* `diffarm simulate pipeline` on the starter model: what it prints, for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/client/simulate/run_simulate.h"

static const char *temp(const char *name) {
    static char path[4][4096];
    static int n;
    char *out = path[n++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", golden_temp_dir(), name);
    return out;
}

static double number_of(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!v) fail_msg("no '%s'", key);
    return json_number_value(v);
}

static void it_tells_pace_latency_and_every_ranks_time(void **state) {
    (void)state;
    json_t *o;
    const char *model = golden_source_path("models/starter");
    assert_int_equal(
        run_simulate(&o, "pipeline",
                     (const char *[]) { "-m", model, "--pipeline", "3", "--replicas", "2", "--link", "10GbE", "--steps",
                                        "5", "--micro-batch", "2", "--rows", "30", "--output", "json", NULL }),
        DF_EXIT_OK);
    assert_non_null(o);
    const json_t *ranks = json_object_get(o, "ranks");
    assert_int_equal(json_array_size(ranks), 3);
    assert_int_equal((int)number_of(o, "slots"), 6);
    assert_true(number_of(o, "pictures_per_second") > 0);
    assert_true(fabs(number_of(o, "pictures_per_second") * number_of(o, "seconds") - 60) < 1e-6);
    assert_true(number_of(o, "latency_median_seconds") <= number_of(o, "latency_most_seconds"));
    double computing = 0;
    for (size_t i = 0; i < 3; i++) {
        const json_t *r = json_array_get(ranks, i);
        double all = number_of(r, "compute") + number_of(r, "sample") + number_of(r, "send") + number_of(r, "receive") +
                     number_of(r, "wait");
        assert_true(fabs(all - 1) < 1e-3);
        assert_true(number_of(r, "memory_bytes") > 0);
        computing += number_of(r, "compute") / 3;
    }
    assert_true(fabs(computing - number_of(o, "efficiency")) < 1e-9);
    json_decref(o);
}

/* What the model's costs are stands in the file: the same comes of it. */
static void saved_costs_give_the_same(void **state) {
    (void)state;
    json_t *a, *b;
    const char *model = golden_source_path("models/starter"), *costs = temp("costs.json"), *trace = temp("trace.json");
    assert_int_equal(run_simulate(&a, "pipeline",
                                  (const char *[]) { "-m", model, "--micro-batch", "3", "--save-costs", costs, "--link",
                                                     "1GB/s,5us", "--output", "json", NULL }),
                     DF_EXIT_OK);
    assert_int_equal(run_simulate(&b, "pipeline",
                                  (const char *[]) { "--costs", costs, "--micro-batch", "3", "--trace", trace, "--link",
                                                     "1GB/s,5us", "--output", "json", NULL }),
                     DF_EXIT_OK);
    double x = number_of(a, "seconds"), y = number_of(b, "seconds");
    assert_true(fabs(x - y) < 1e-9 * x);
    json_decref(a);
    json_decref(b);
    json_t *t = json_load_file(trace, 0, NULL);
    assert_non_null(t);
    assert_int_equal(json_array_size(json_object_get(json_object_get(t, "diffarm"), "ranks")), 2);
    assert_true(json_array_size(json_object_get(t, "traceEvents")) > 100);
    json_decref(t);
}

static void a_slower_link_is_slower_and_more_ranks_are_faster(void **state) {
    (void)state;
    static const char *const kinds[][3] = { { "2", "NVLink" }, { "2", "0.1Gb/s" }, { "1", "NVLink" } };
    double pace[3];
    const char *model = golden_source_path("models/starter");
    for (int i = 0; i < 3; i++) {
        json_t *o;
        const char *args[] = {
            "-m", model, "--pipeline", kinds[i][0], "--link", kinds[i][1], "--output", "json", NULL
        };
        assert_int_equal(run_simulate(&o, "pipeline", args), DF_EXIT_OK);
        pace[i] = number_of(o, "steady_pictures_per_second");
        json_decref(o);
    }
    assert_true(pace[1] < 0.9 * pace[0]);
    assert_true(pace[2] < 0.6 * pace[0]);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    json_t *o;
    const char *model = golden_source_path("models/starter");
    assert_int_equal(run_simulate(&o, "pipeline", (const char *[]) { "-m", "/nowhere", NULL }), DF_EXIT_USAGE);
    json_decref(o);
    assert_int_equal(run_simulate(&o, "pipeline", (const char *[]) { "--costs", "/nowhere", NULL }), DF_EXIT_USAGE);
    json_decref(o);
    assert_int_equal(run_simulate(&o, "pipeline", (const char *[]) { "-m", model, "--link", "fast", NULL }),
                     DF_EXIT_USAGE);
    json_decref(o);
    assert_int_equal(run_simulate(&o, "pipeline", (const char *[]) { "-m", model, "--size", "65x64", NULL }),
                     DF_EXIT_USAGE);
    json_decref(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_pace_latency_and_every_ranks_time),
        cmocka_unit_test(saved_costs_give_the_same),
        cmocka_unit_test(a_slower_link_is_slower_and_more_ranks_are_faster),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

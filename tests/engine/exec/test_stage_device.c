/* Stages on a backend with memory of its own, which does its work late (deferred_backend.h): the bytes are those of a
 * stage in the host's memory, and no more goes up, comes down or is waited for than has to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/engine/exec/deferred_backend.h"
#include "tests/engine/graph/graph_fixture.h"

enum { MOST_STAGES = 4, ROWS = 2 };

static int start(void **state) {
    (void)state;
    deferred = (deferred_count) { 0 };
    deferred_cannot_record = deferred_fails = false;
    deferred_memory_bytes = SIZE_MAX;
    return 0;
}

/* A graph in stages, each opened for two slots. */
typedef struct machine {
    df_graph *g;
    df_cut *cut;
    df_weights *weights;
    fixture_run run;
    df_stage *stages[MOST_STAGES];
    bool edges_on_device;
} machine;

static void open_machine(machine *m, df_graph *g, df_cut *cut, const df_backend *backend) {
    *m = (machine) { .g = g, .cut = cut, .weights = fixture_weights(g, NULL, 0) };
    m->run = (fixture_run) {
        .g = g, .cut = cut, .weights = m->weights, .dtype = DF_F32, .n_rows = ROWS, .backend = backend
    };
    for (int s = 0; s < cut->n_stages; s++) m->stages[s] = fixture_stage(&m->run, s, 2);
}

/* What one still has to read of another's memory is read before that goes. */
static void close_machine(machine *m) {
    for (int s = 0; s < m->cut->n_stages; s++) df_stage_wait(m->stages[s], NULL);
    for (int s = 0; s < m->cut->n_stages; s++) df_stage_close(&m->stages[s]);
    df_weights_close(&m->weights);
    df_cut_free(&m->cut);
    df_graph_free(&m->g);
}

static void copy_edges_on_device(machine *m, int slot, int to_segment) {
    for (int i = 0; i < m->cut->n_edges; i++) {
        const df_edge *e = &m->cut->edges[i];
        df_stage *to = m->stages[e->to_stage], *from = m->stages[e->from_stage];
        if (e->to_segment != to_segment) continue;
        deferred_copy(df_stage_stream(to), df_stage_device_value(to, slot, e->value, ROWS), df_stage_stream(from),
                      df_stage_device_value(from, slot, e->value, ROWS), df_stage_value_bytes(to, e->value, ROWS));
    }
}

static void run_pass(machine *m, int slot, int64_t first_row) {
    df_err err = { 0 };
    for (int i = 0; i < m->g->n_inputs; i++)
        fixture_fill_input(m->g, i, first_row, ROWS, DF_F32,
                           df_stage_value(m->stages[0], slot, m->g->inputs[i].value, ROWS));
    if (m->edges_on_device) assert_int_equal(df_stage_upload_crossing(m->stages[0], slot, ROWS, &err), DF_OK);
    for (int s = 0; s <= m->cut->n_segments; s++) {
        if (m->edges_on_device)
            copy_edges_on_device(m, slot, s);
        else
            fixture_copy_edges(&m->run, m->stages, slot, s);
        if (s == m->cut->n_segments) break;
        if (df_stage_run(m->stages[m->cut->segments[s].stage], slot, s, ROWS, &err)) fail_msg("%s", err.text);
    }
    if (!m->edges_on_device) return;
    assert_int_equal(df_stage_download_outputs(m->stages[0], slot, ROWS, &err), DF_OK);
    assert_int_equal(df_stage_wait(m->stages[0], &err), DF_OK);
}

/* What the pass has made against a machine that works in the host's memory and has run nothing before. */
static void check_outputs(machine *m, int slot, int64_t first_row, const char *what) {
    size_t bytes;
    fixture_run fresh = m->run;
    df_cut *whole = NULL;
    assert_int_equal(df_cut_whole(&whole, m->g, NULL), DF_OK);
    fresh.cut = whole;
    fresh.backend = NULL;
    fresh.first_row = first_row;
    char *all = fixture_outputs(&fresh, &bytes), *want = all;
    for (int i = 0; i < m->g->n_outputs; i++) {
        df_value_id v = m->g->outputs[i].value;
        size_t n = df_stage_value_bytes(m->stages[0], v, ROWS);
        if (memcmp(df_stage_value(m->stages[0], slot, v, ROWS), want, n))
            fail_msg("%s: output '%s' of rows from %d on, slot %d", what, m->g->outputs[i].name, (int)first_row, slot);
        want += n;
    }
    free(all);
    df_cut_free(&whole);
}

/* Plainly, recording, and as recorded, in two slots in turns. */
static void check_passes(machine *m, const char *what) {
    for (int64_t pass = 0; pass < 4; pass++) {
        run_pass(m, 0, 10 * pass);
        run_pass(m, 1, 10 * pass + 5);
        check_outputs(m, 0, 10 * pass, what);
        check_outputs(m, 1, 10 * pass + 5, what);
    }
}

static void check_graph(uint64_t seed, int n_stages, int kind, bool edges_on_device) {
    df_graph *g = fixture_fused_graph(seed);
    machine m;
    open_machine(&m, g, fixture_random_cut(g, seed, n_stages, kind), &deferred_backend);
    m.edges_on_device = edges_on_device;
    for (int s = 0; s < n_stages && edges_on_device; s++) df_stage_keep_edges_on_device(m.stages[s]);
    check_passes(&m, edges_on_device ? "edges on the device" : "edges on the host");
    close_machine(&m);
}

static void test_bytes_of_every_cut(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++)
        for (int n_stages = 1; n_stages <= MOST_STAGES; n_stages++)
            for (int kind = 0; kind < 3; kind++) {
                check_graph(seed, n_stages, kind, false);
                check_graph(seed, n_stages, kind, true);
            }
    assert_true(deferred.replays > deferred.recordings);
}

static void test_bytes_without_recordings(void **state) {
    (void)state;
    deferred_cannot_record = true;
    check_graph(3, 3, 1, false);
    check_graph(3, 3, 1, true);
    assert_int_equal(deferred.replays, 0);
}

/* k and v are made of a prompt that comes from another stage, on the device: it has to be looked at all the same. */
static void test_kept_results_of_values_that_cross(void **state) {
    (void)state;
    static const int stage_of[] = { 0, 0, 1, 1, 0 }, prompts[] = { 0, 0, 0, 7, 7, 7, 0 };
    machine m;
    df_graph *g = fixture_cross_attention();
    df_cut *cut = NULL;
    df_err err = { 0 };
    assert_int_equal(df_cut_new(&cut, g, stage_of, 2, NULL), DF_OK);
    open_machine(&m, g, cut, &deferred_backend);
    m.edges_on_device = true;
    for (int s = 0; s < 2; s++) df_stage_keep_edges_on_device(m.stages[s]);
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        deferred = (deferred_count) { 0 };
        run_pass(&m, 0, prompts[i]); /* x follows the same rows */
        if (df_stage_wait(m.stages[1], &err)) fail_msg("%s", err.text);
        check_outputs(&m, 0, prompts[i], "kept");
        bool changed = i == 0 || prompts[i] != prompts[i - 1];
        if (i < 3) assert_int_equal(deferred.nodes, changed ? 5 : 4); /* k travels, and is made anew */
    }
    close_machine(&m);
}

/* The prompt's rows stay, the picture's change. */
static void step(machine *m, int64_t x, int64_t c) {
    fixture_fill_input(m->g, 0, x, ROWS, DF_F32, df_stage_value(m->stages[0], 0, m->g->inputs[0].value, ROWS));
    fixture_fill_input(m->g, 1, c, ROWS, DF_F32, df_stage_value(m->stages[0], 0, m->g->inputs[1].value, ROWS));
    deferred = (deferred_count) { 0 };
    assert_int_equal(df_stage_run(m->stages[0], 0, 0, ROWS, NULL), DF_OK);
}

static void expect(deferred_count want) {
    assert_int_equal(deferred.nodes, want.nodes);
    assert_int_equal(deferred.uploads, want.uploads);
    assert_int_equal(deferred.downloads, want.downloads);
    assert_int_equal(deferred.waits, want.waits);
    assert_int_equal(deferred.recordings, want.recordings);
    assert_int_equal(deferred.replays, want.replays);
}

static machine kept_machine(void) {
    machine m;
    df_graph *g = fixture_cross_attention();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    open_machine(&m, g, cut, &deferred_backend);
    return m;
}

/* A step takes what has changed up, one result down, one wait, and from the third on one launch. */
static void test_a_step_moves_what_it_must(void **state) {
    (void)state;
    machine m = kept_machine();
    step(&m, 0, 0);
    expect((deferred_count) { .nodes = 5, .uploads = 2, .downloads = 1, .waits = 1 });
    step(&m, 1, 0);
    expect((deferred_count) { .nodes = 3, .uploads = 1, .downloads = 1, .waits = 1 });
    step(&m, 2, 0); /* recorded and launched */
    expect((deferred_count) { .nodes = 3, .uploads = 1, .downloads = 1, .waits = 1, .recordings = 1, .replays = 1 });
    step(&m, 3, 0);
    expect((deferred_count) { .nodes = 3, .waits = 1, .replays = 1 });
    step(&m, 4, 7); /* another prompt: the second of its kind */
    expect((deferred_count) { .nodes = 5, .uploads = 2, .downloads = 1, .waits = 1, .recordings = 1, .replays = 1 });
    step(&m, 5, 7);
    expect((deferred_count) { .nodes = 3, .waits = 1, .replays = 1 });
    close_machine(&m);
}

/* A prompt that others read too goes up also where what is kept of it stands. */
static void test_an_input_of_kept_and_other_nodes(void **state) {
    (void)state;
    df_graph *g = df_graph_new("both");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 6)), c = df_graph_input(g, "c", DF_F32, DF_SHAPE(3, 6));
    df_graph_keep(g, c);
    df_value_id k = df_g_linear(g, "k", c, 6, false);
    df_graph_output(g, "out", df_g_attention(g, "y", x, k, c, 2, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    df_cut *cut = NULL;
    machine m;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    open_machine(&m, g, cut, &deferred_backend);
    step(&m, 0, 0);
    step(&m, 1, 0);
    expect((deferred_count) { .nodes = 1, .uploads = 2, .downloads = 1, .waits = 1 });
    close_machine(&m);
}

/* An error shows at the wait; what was to be kept may not have been made. */
static void test_nothing_is_kept_of_a_failed_run(void **state) {
    (void)state;
    machine m = kept_machine();
    df_err err = { 0 };
    step(&m, 0, 0);
    deferred_fails = true;
    assert_int_equal(df_stage_run(m.stages[0], 0, 0, ROWS, &err), DF_EBACKEND);
    assert_string_equal(err.text, "a late error");
    deferred_fails = false;
    step(&m, 0, 0);
    assert_int_equal(deferred.nodes, 5);
    close_machine(&m);
}

/* Memory that was recorded is given back: nothing of it may be launched again. */
static void test_reserving_forgets_recordings(void **state) {
    (void)state;
    machine m = kept_machine();
    for (int64_t i = 0; i < 4; i++) step(&m, i, 0);
    assert_int_equal(df_stage_reserve(m.stages[0], ROWS + 1, 1, NULL), DF_OK);
    assert_int_equal(df_stage_prepare(m.stages[0], ROWS, NULL), DF_OK);
    for (int64_t i = 0; i < 4; i++) {
        step(&m, i, 0);
        const float *got = df_stage_value(m.stages[0], 0, m.g->outputs[0].value, ROWS);
        assert_true(got[0] == got[0]);
        assert_int_equal(deferred.replays, i >= 2);
    }
    close_machine(&m);
}

static void note(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    (void)node, (void)n_rows;
    *(float *)ctx += ((const float *)out)[0]; /* memory of the host */
}

static void test_a_tap_sees_copies(void **state) {
    (void)state;
    machine m = kept_machine(), host;
    df_graph *g = fixture_cross_attention();
    df_cut *cut = NULL;
    float sum = 0, want = 0;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    open_machine(&host, g, cut, NULL);
    df_stage_set_tap(m.stages[0], note, &sum);
    df_stage_set_tap(host.stages[0], note, &want);
    step(&m, 0, 0);
    step(&host, 0, 0);
    assert_true(sum == want && sum != 0);
    close_machine(&m);
    close_machine(&host);
}

static void test_times_are_of_nodes_that_have_ended(void **state) {
    (void)state;
    machine m = kept_machine();
    int64_t ns[5] = { 0 };
    fixture_fill_input(m.g, 0, 0, ROWS, DF_F32, df_stage_value(m.stages[0], 0, m.g->inputs[0].value, ROWS));
    fixture_fill_input(m.g, 1, 0, ROWS, DF_F32, df_stage_value(m.stages[0], 0, m.g->inputs[1].value, ROWS));
    deferred = (deferred_count) { 0 };
    assert_int_equal(df_stage_run_timed(m.stages[0], 0, 0, ROWS, ns, NULL), DF_OK);
    for (int i = 0; i < 5; i++) assert_true(ns[i] > 0);
    assert_int_equal(deferred.waits, 5 + 1);
    close_machine(&m);
}

/* What was asked for, what there is, what would fit; and the stage can be asked for less. */
static void test_no_room(void **state) {
    (void)state;
    machine m = kept_machine();
    df_err err = { 0 };
    deferred_memory_bytes = 200 << 10;
    assert_int_equal(df_stage_reserve(m.stages[0], 1000, 4, &err), DF_ENOMEM);
    assert_non_null(strstr(err.text, "4 slots of 1000 rows take"));
    assert_non_null(strstr(err.text, "no room for"));
    const char *fit = strstr(err.text, "about ");
    assert_non_null(fit);
    long rows = strtol(fit + strlen("about "), NULL, 10);
    assert_true(rows > 1 && rows < 1000);
    if (df_stage_reserve(m.stages[0], rows, 4, &err)) fail_msg("%ld rows: %s", rows, err.text);
    assert_int_equal(df_stage_reserve(m.stages[0], 2 * rows, 4, NULL), DF_ENOMEM);
    assert_int_equal(df_stage_run(m.stages[0], 0, 0, ROWS, &err), DF_EINVAL); /* nothing is reserved */
    close_machine(&m);
}

static void test_weights_do_not_fit(void **state) {
    (void)state;
    df_graph *g = fixture_cross_attention();
    df_cut *cut = NULL;
    df_stage *s = NULL;
    df_err err = { 0 };
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    deferred_memory_bytes = 64;
    /* no file of weights: none is read */
    const df_stage_cfg cfg = {
        .graph = g, .cut = cut, .backend = &deferred_backend, .backend_cfg = { .dtype = DF_F32, .threads = 1 }
    };
    assert_int_equal(df_stage_open(&s, &cfg, &err), DF_ENOMEM);
    assert_non_null(strstr(err.text, "its weights take"));
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_host_backends_have_no_device(void **state) {
    (void)state;
    df_graph *g = fixture_cross_attention();
    df_cut *cut = NULL;
    machine m;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    open_machine(&m, g, cut, NULL);
    assert_null(df_stage_device_value(m.stages[0], 0, g->inputs[0].value, ROWS));
    assert_null(df_stage_stream(m.stages[0]));
    assert_int_equal(df_stage_wait(m.stages[0], NULL), DF_OK);
    close_machine(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bytes_of_every_cut, start),
        cmocka_unit_test_setup(test_bytes_without_recordings, start),
        cmocka_unit_test_setup(test_kept_results_of_values_that_cross, start),
        cmocka_unit_test_setup(test_a_step_moves_what_it_must, start),
        cmocka_unit_test_setup(test_an_input_of_kept_and_other_nodes, start),
        cmocka_unit_test_setup(test_nothing_is_kept_of_a_failed_run, start),
        cmocka_unit_test_setup(test_reserving_forgets_recordings, start),
        cmocka_unit_test_setup(test_a_tap_sees_copies, start),
        cmocka_unit_test_setup(test_times_are_of_nodes_that_have_ended, start),
        cmocka_unit_test_setup(test_no_room, start),
        cmocka_unit_test_setup(test_weights_do_not_fit, start),
        cmocka_unit_test_setup(test_host_backends_have_no_device, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

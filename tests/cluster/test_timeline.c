#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/timeline.h"
#include "tests/cluster/thread_farm.h"

enum { RANKS = 3, SLOTS = 4, PASSES = 20, ROWS = 2, SIDE = 16 };

typedef struct traced {
    df_comm *comm;
    const df_model *model;
    int64_t capacity;
    pthread_t thread;
} traced;

static df_pipeline_cfg config(df_trace *trace) {
    return (df_pipeline_cfg) {
        .backend = &df_backend_cpu,
        .backend_cfg = { .dtype = DF_F32, .threads = 1 },
        .max_rows = ROWS,
        .n_slots = SLOTS,
        .trace = trace,
    };
}

/* cmocka's asserts belong to the main thread: what goes wrong here shows there. */
static void *serve(void *arg) {
    traced *r = arg;
    df_trace *trace = NULL;
    df_timeline *none = NULL;
    df_pipeline *p = NULL;
    df_code rc = df_trace_open(&trace, r->capacity, NULL);
    if (!rc) rc = df_trace_meet(trace, r->comm, NULL);
    const df_pipeline_cfg cfg = config(trace);
    if (!rc) rc = df_pipeline_open(&p, r->comm, r->model, &cfg, NULL);
    if (!rc) rc = df_pipeline_serve(p, NULL);
    df_pipeline_close(&p);
    if (!rc) df_timeline_gather(&none, trace, r->comm, NULL);
    df_trace_close(&trace);
    r->comm->ops->close(&r->comm);
    return NULL;
}

static void run_passes(df_pipeline *p) {
    int program, slot, ended = 0, started = 0;
    df_err err;
    if (df_pipeline_load(p, DF_DENOISER, SIDE, SIDE, &program, &err)) fail_msg("%s", err.text);
    while (ended < PASSES) {
        for (; started < PASSES && (slot = df_pipeline_free_slot(p)) >= 0; started++) {
            float *sample = df_pipeline_input(p, slot, program, "sample", ROWS);
            thread_farm_fill(sample, ROWS * 4 * SIDE * SIDE, (unsigned)started);
            df_pipeline_set_steps(p, slot, started, started + 1);
            if (df_pipeline_start(p, slot, program, ROWS, &err)) fail_msg("%s", err.text);
        }
        if (df_pipeline_advance(p, 100000, &slot, &err)) fail_msg("%s", err.text);
        ended += slot >= 0;
    }
}

static df_timeline *traced_run(int n_ranks, int64_t capacity) {
    df_comm *comm[RANKS];
    traced rank[RANKS];
    df_trace *trace = NULL;
    df_timeline *line = NULL;
    df_pipeline *p = NULL;
    df_err err;
    df_model *m = thread_farm_starter();
    if (df_comm_threads_open(comm, n_ranks, &err)) fail_msg("%s", err.text);
    for (int r = 1; r < n_ranks; r++) {
        rank[r] = (traced) { .comm = comm[r], .model = m, .capacity = capacity };
        assert_int_equal(pthread_create(&rank[r].thread, NULL, serve, &rank[r]), 0);
    }
    if (df_trace_open(&trace, capacity, &err) || df_trace_meet(trace, comm[0], &err)) fail_msg("%s", err.text);
    const df_pipeline_cfg cfg = config(trace);
    if (df_pipeline_open(&p, comm[0], m, &cfg, &err)) fail_msg("%s", err.text);
    run_passes(p);
    df_pipeline_close(&p);
    if (df_timeline_gather(&line, trace, comm[0], &err)) fail_msg("%s", err.text);
    df_trace_close(&trace);
    comm[0]->ops->close(&comm[0]);
    for (int r = 1; r < n_ranks; r++) pthread_join(rank[r].thread, NULL);
    df_model_close(&m);
    return line;
}

static void assert_no_overlap(const df_timeline *line) {
    for (int r = 0; r < line->n_ranks; r++) {
        int64_t free_from = INT64_MIN;
        for (int64_t i = 0; i < line->rank[r].n_spans; i++) {
            const df_span *s = &line->rank[r].spans[i];
            assert_true(s->end_ns >= s->start_ns);
            if (s->kind >= DF_SPAN_THREAD_KINDS) continue;
            assert_true(s->start_ns >= free_from);
            free_from = s->end_ns;
        }
    }
}

static int count(const df_timeline *line, int rank, df_span_kind kind, int64_t command) {
    int n = 0;
    for (int64_t i = 0; i < line->rank[rank].n_spans; i++) {
        const df_span *s = &line->rank[rank].spans[i];
        n += s->kind == (int32_t)kind && s->command == command;
    }
    return n;
}

/* Command 1 loads; the passes are those behind it. A folded plan has two segments on every rank but the last. */
static void assert_every_pass_is_whole(const df_timeline *line) {
    for (int64_t c = 2; c < 2 + PASSES; c++)
        for (int r = 0; r < line->n_ranks; r++)
            assert_int_equal(count(line, r, DF_SPAN_COMPUTE, c), r < line->n_ranks - 1 ? 2 : 1);
}

static void assert_steps_are_told(const df_timeline *line) {
    for (int r = 0; r < line->n_ranks; r++)
        for (int64_t i = 0; i < line->rank[r].n_spans; i++) {
            const df_span *s = &line->rank[r].spans[i];
            if (s->kind != DF_SPAN_COMPUTE) continue;
            assert_int_equal(s->n_rows, ROWS);
            assert_int_equal(s->first_step, s->command - 2);
            assert_int_equal(s->last_step, s->command - 1);
        }
}

/* On one clock no message arrives before it was sent. slack_ns: how well the clocks are known. */
static void assert_messages_take_time(const df_timeline *line, int rank, const df_span *in) {
    const df_clock_link *a = &line->rank[rank].last, *b = &line->rank[in->peer].last;
    int64_t slack_ns = a->round_trip_ns + b->round_trip_ns + 1000000;
    for (int64_t i = 0; i < line->rank[in->peer].n_spans; i++) {
        const df_span *out = &line->rank[in->peer].spans[i];
        if (out->kind != DF_SPAN_OUTGOING || out->command != in->command || out->segment != in->segment ||
            out->peer != rank || out->bytes != in->bytes)
            continue;
        assert_true(out->start_ns <= in->end_ns + slack_ns);
        return;
    }
    fail_msg("nobody sent a message that came");
}

static void test_a_run_of_three_ranks(void **state) {
    (void)state;
    df_timeline *line = traced_run(RANKS, 0);
    assert_int_equal(line->n_ranks, RANKS);
    assert_no_overlap(line);
    assert_every_pass_is_whole(line);
    assert_steps_are_told(line);
    int n_messages = 0;
    for (int r = 0; r < RANKS; r++)
        for (int64_t i = 0; i < line->rank[r].n_spans; i++) {
            if (line->rank[r].spans[i].kind != DF_SPAN_INCOMING) continue;
            assert_messages_take_time(line, r, &line->rank[r].spans[i]);
            n_messages++;
        }
    assert_true(n_messages >= PASSES * 2 * (RANKS - 1));
    df_timeline_free(&line);
}

static void test_shares_add_up(void **state) {
    (void)state;
    df_timeline *line = traced_run(2, 0);
    int64_t start, end;
    assert_true(df_timeline_steady(line, &start, &end));
    assert_true(line->start_ns <= start && start < end && end <= line->end_ns);
    for (int r = 0; r < 2; r++) {
        df_time_shares s = df_timeline_shares(line, r, start, end);
        double sum = s.other;
        for (int k = 0; k < DF_SPAN_THREAD_KINDS; k++) sum += s.of[k];
        assert_true(fabs(sum - 1) < 1e-6);
        assert_true(s.of[DF_SPAN_COMPUTE] > 0.05);
    }
    df_timeline_free(&line);
}

/* A ring too small for the run: what is left is whole from one moment on, on every rank. */
static void test_small_rings(void **state) {
    (void)state;
    df_timeline *line = traced_run(2, 100);
    int64_t n = 0;
    assert_no_overlap(line);
    for (int r = 0; r < 2; r++) {
        assert_true(line->rank[r].n_dropped > 0);
        assert_true(line->rank[r].n_spans <= 100);
        n += line->rank[r].n_spans;
    }
    assert_true(n > 20);
    for (int r = 0; r < 2; r++) assert_int_equal(count(line, r, DF_SPAN_COMPUTE, 1 + PASSES), r ? 1 : 2);
    df_timeline_free(&line);
}

static int64_t events_of(const json_t *trace, const char *phase) {
    int64_t n = 0;
    size_t i;
    const json_t *e;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, e) {
        n += !strcmp(json_string_value(json_object_get(e, "ph")), phase);
        if (!strcmp(phase, "X") && json_object_get(e, "dur"))
            assert_true(json_real_value(json_object_get(e, "ts")) >= 0);
    }
    return n;
}

static json_t *written(const df_timeline *line, const char *path) {
    df_err err;
    json_error_t why;
    if (line ? df_timeline_write(line, path, &err) : df_timeline_write_empty(path, &err)) fail_msg("%s", err.text);
    json_t *trace = json_load_file(path, 0, &why);
    if (!trace) fail_msg("line %d: %s", why.line, why.text);
    unlink(path);
    return trace;
}

static void test_the_file(void **state) {
    (void)state;
    char path[] = "/tmp/diffarm-timeline-XXXXXX";
    int64_t n[2] = { 0 };
    assert_true(close(mkstemp(path)) == 0);
    df_timeline *line = traced_run(2, 0);
    for (int r = 0; r < 2; r++)
        for (int64_t i = 0; i < line->rank[r].n_spans; i++) n[line->rank[r].spans[i].kind >= DF_SPAN_THREAD_KINDS]++;
    json_t *trace = written(line, path);
    assert_int_equal(events_of(trace, "X"), n[0]);
    assert_int_equal(events_of(trace, "b"), n[1]);
    assert_int_equal(events_of(trace, "e"), n[1]);
    assert_int_equal(json_array_size(json_object_get(json_object_get(trace, "diffarm"), "ranks")), 2);
    json_decref(trace);
    df_timeline_free(&line);
    trace = written(NULL, path);
    assert_int_equal(events_of(trace, "X"), 0);
    json_decref(trace);
    assert_int_equal(df_timeline_write_empty("/nowhere/at/all.json", NULL), DF_ENOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_of_three_ranks),
        cmocka_unit_test(test_shares_add_up),
        cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* On one rank nothing depends on how long things take: the simulation must run the very passes of the renderer, in its
 * order, with its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "cluster/renderer.h"
#include "cluster/simulate/pipesim.h"
#include "tests/cluster/thread_farm.h"

enum { SIDE = 64, STEPS = 3, MOST_ROWS = 16 };

typedef struct scenario {
    int micro_batch, n_slots, n_rows;
    bool guided;
} scenario;

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    (void)id, (void)picture;
    ++*(int *)ctx;
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    (void)ctx, (void)id;
    fail_msg("%s", why->text);
}

static void add_rows(df_renderer *r, const df_model *model, const scenario *s, int *n_added) {
    static const char *const prompts[MOST_ROWS] = { "a", "b", "c", "d", "e", "f", "g", "h",
                                                    "i", "j", "k", "l", "m", "n", "o", "p" };
    df_err err;
    for (; *n_added < s->n_rows && df_renderer_room(r) > 0; ++*n_added) {
        df_request q = { .prompt = prompts[*n_added], .negative = "z", .seed = (uint64_t)*n_added, .width = SIDE };
        q.height = SIDE;
        q.steps = STEPS;
        q.guidance = s->guided ? 5 : 1;
        if (df_scheduler_named(&q.scheduler, "ddim", df_model_scheduler_path(model), &err) ||
            df_renderer_add(r, (uint64_t)*n_added, &q, &err))
            fail_msg("%s", err.text);
    }
}

static void render(df_trace *trace, const df_model *model, const scenario *s) {
    int n_added = 0, n_images = 0;
    thread_farm f;
    df_renderer *r = NULL;
    df_err err;
    const df_pipeline_cfg cfg = { .backend = &df_backend_cpu,
                                  .backend_cfg = { .dtype = DF_F32, .threads = 2 },
                                  .max_rows = 2 * s->micro_batch,
                                  .n_slots = s->n_slots,
                                  .trace = trace };
    const df_renderer_cfg rc = {
        .micro_batch = s->micro_batch, .ctx = &n_images, .on_image = on_image, .on_failed = on_failed
    };
    thread_farm_open(&f, model, 1, &cfg, false);
    if (df_renderer_open(&r, f.pipeline, model, &rc, &err)) fail_msg("%s", err.text);
    for (add_rows(r, model, s, &n_added); df_renderer_busy(r); add_rows(r, model, s, &n_added))
        if (df_renderer_step(r, 1000, &err)) fail_msg("%s", err.text);
    assert_int_equal(n_images, s->n_rows);
    df_renderer_close(&r);
    thread_farm_close(&f);
}

static df_timeline *simulate(const df_model *model, const scenario *s) {
    const df_graph_size size = { .latent_h = SIDE / 4, .latent_w = SIDE / 4 };
    const df_plan_terms terms = { .n_ranks = 1, .max_rows = 2 * s->micro_batch, .n_slots = s->n_slots };
    df_model_plan *plan = NULL;
    df_pipesim_costs costs;
    df_pipesim_report report;
    df_err err;
    if (df_model_plan_new(&plan, model, &size, &terms, DF_COMPONENT_COUNT, &err)) fail_msg("%s", err.text);
    if (df_pipesim_costs_of_plan(&costs, plan, 1, DF_F32, &err)) fail_msg("%s", err.text);
    const df_pipesim_cfg cfg = { .costs = &costs,
                                 .micro_batch = s->micro_batch,
                                 .n_slots = s->n_slots,
                                 .steps = STEPS,
                                 .rows_per_step = s->guided ? 2 : 1,
                                 .n_rows = s->n_rows };
    if (df_pipesim_run(&report, &cfg, &err)) fail_msg("%s", err.text);
    df_pipesim_costs_free(&costs);
    df_model_plan_free(&plan);
    return report.line;
}

/* The i-th span of computing; NULL: there are fewer. */
static const df_span *next_pass(const df_span *at, const df_span *end) {
    while (at < end && at->kind != DF_SPAN_COMPUTE) at++;
    return at < end ? at : NULL;
}

static void compare(const df_trace *trace, const df_timeline *line) {
    const df_span *at = line->rank[0].spans, *end = at + line->rank[0].n_spans;
    int n = 0;
    for (int64_t i = 0; i < df_trace_kept(trace); i++) {
        const df_span *is = df_trace_at(trace, i);
        if (is->kind != DF_SPAN_COMPUTE) continue;
        const df_span *s = next_pass(at, end);
        if (!s) fail_msg("pass %d is not simulated", n);
        if (is->component != s->component || is->n_rows != s->n_rows || is->first_step != s->first_step ||
            is->last_step != s->last_step || is->slot != s->slot)
            fail_msg("pass %d: component %d, %d rows, steps %d to %d, slot %d; simulated: %d, %d, %d to %d, %d", n,
                     is->component, is->n_rows, is->first_step, is->last_step, is->slot, s->component, s->n_rows,
                     s->first_step, s->last_step, s->slot);
        at = s + 1;
        n++;
    }
    assert_null(next_pass(at, end));
    assert_true(n > STEPS);
}

static void the_passes_of_one_rank_are_the_renderers(void **state) {
    (void)state;
    static const scenario scenarios[] = {
        { 4, 1, 7, true }, { 2, 3, 9, false }, { 1, 2, 3, true }, { 3, 4, 16, true }
    };
    df_model *model = thread_farm_starter();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        df_trace *trace = NULL;
        assert_int_equal(df_trace_open(&trace, 0, NULL), DF_OK);
        render(trace, model, &scenarios[i]);
        df_timeline *line = simulate(model, &scenarios[i]);
        compare(trace, line);
        df_timeline_free(&line);
        df_trace_close(&trace);
    }
    df_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_passes_of_one_rank_are_the_renderers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

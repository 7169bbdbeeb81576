/* Posts of activations go in groups, so that a transport whose posts wait for their counterparts can be put beneath. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/channels.h"
#include "tests/cluster/thread_farm.h"

enum { PASSES = 6, ROWS = 2, SIDE = 16 };

/* Rank 0's communicator, watched. */
static const df_comm_ops *watched;
static bool in_group, end_fails;
static int n_groups, n_inside, n_outside;

static df_code group_begin(df_comm *c, df_err *err) {
    (void)c, (void)err;
    assert_false(in_group);
    in_group = true;
    n_groups++;
    return DF_OK;
}

static df_code group_end(df_comm *c, df_err *err) {
    (void)c;
    assert_true(in_group);
    in_group = false;
    return end_fails ? df_err_set(err, DF_EUNREACHABLE, "the group") : DF_OK;
}

static void count(int channel) {
    if (df_channel_traffic(channel) != DF_TRAFFIC_DATA) return;
    if (in_group)
        n_inside++;
    else
        n_outside++;
}

static df_code send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                    df_err *err) {
    count(channel);
    return watched->send(c, to, channel, data, bytes, req, err);
}

static df_code recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req, df_err *err) {
    count(channel);
    return watched->recv(c, from, channel, data, bytes, req, err);
}

static df_code test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    assert_false(in_group);
    return watched->test(c, req, done, err);
}

static void open_watched(thread_farm *f, const df_model *model, df_comm_ops *ops) {
    const df_pipeline_cfg cfg = {
        .backend = &df_backend_cpu, .backend_cfg = { .dtype = DF_F32, .threads = 1 }, .max_rows = ROWS, .n_slots = 2
    };
    thread_farm_open(f, model, 2, &cfg, false);
    watched = f->rank[0].comm->ops;
    *ops = *watched;
    ops->send = send;
    ops->recv = recv;
    ops->test = test;
    ops->group_begin = group_begin;
    ops->group_end = group_end;
    f->rank[0].comm->ops = ops;
    n_groups = n_inside = n_outside = 0;
    end_fails = false;
}

static void activations_are_posted_in_groups(void **state) {
    (void)state;
    df_comm_ops ops;
    thread_farm f;
    df_err err;
    int program;
    df_model *model = thread_farm_starter();
    open_watched(&f, model, &ops);
    if (df_pipeline_load(f.pipeline, DF_DENOISER, SIDE, SIDE, &program, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < PASSES; i++)
        if (thread_farm_run(&f, i % 2, program, ROWS, &err)) fail_msg("%s", err.text);
    thread_farm_close(&f);
    df_model_close(&model);
    assert_false(in_group);
    assert_int_equal(n_outside, 0);
    assert_true(n_inside >= 3 * PASSES); /* down, back, the text */
    assert_true(n_groups >= 2 * PASSES); /* what begins a pass, and what each segment sends */
}

static void a_group_that_fails_breaks_the_pipeline(void **state) {
    (void)state;
    df_comm_ops ops;
    thread_farm f;
    df_err err = { 0 };
    int program;
    df_model *model = thread_farm_starter();
    open_watched(&f, model, &ops);
    if (df_pipeline_load(f.pipeline, DF_DENOISER, SIDE, SIDE, &program, &err)) fail_msg("%s", err.text);
    end_fails = true;
    assert_int_equal(thread_farm_run(&f, 0, program, ROWS, &err), DF_EUNREACHABLE);
    assert_string_equal(err.text, "the group");
    assert_true(df_pipeline_is_broken(f.pipeline));
    thread_farm_close(&f);
    df_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_posted_in_groups),
        cmocka_unit_test(a_group_that_fails_breaks_the_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

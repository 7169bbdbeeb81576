/* Stages on the cuda backend, on the doubles of CUDA's libraries: machines that cannot have one, memory that runs out
 * at any moment, and what a step asks of CUDA once all is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/backend.h"
#include "engine/graph/fuse.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/graph/graph_fixture.h"

enum { ROWS = 2 };

static int start(void **state) {
    (void)state;
    gpu_double_reset(1);
    return 0;
}

static int end(void **state) {
    (void)state;
    assert_string_equal(gpu_double_end(), "");
    return 0;
}

/* How opening fails on the machine, GPU 5. */
static void check_machine(gpu_machine m, df_code want, const char *text) {
    void *ctx = NULL;
    df_err err = { 0 };
    gpu_double_machine(&m);
    df_code rc = df_backend_cuda.open(&ctx, &(df_backend_cfg) { .dtype = DF_F32, .gpu = 5 }, &err);
    if (rc != want || (rc && strcmp(err.text, text))) fail_msg("error %d, '%s'; must be '%s'", rc, err.text, text);
    if (!rc) df_backend_cuda.close(&ctx);
}

static void test_machines(void **state) {
    (void)state;
    gpu_machine m = gpu_machine_usual;
    unsetenv("CUDA_VISIBLE_DEVICES");
    check_machine(m, DF_OK, "");
    m.driver = 0;
    check_machine(m, DF_EUNSUPPORTED,
                  "backend cuda: no NVIDIA driver on this machine: install it, or use --backend cpu");
    m.driver = 12020;
    df_err err = { 0 };
    char text[256];
    int built = 0;
    assert_int_equal(gpu_double.runtime_version(&built), cudaSuccess);
    snprintf(
        text, sizeof text,
        "backend cuda: the NVIDIA driver is too old: it knows CUDA 12.2, this was built with %d.%d; install a newer "
        "driver",
        built / 1000, built % 1000 / 10);
    check_machine(m, DF_EUNSUPPORTED, text);
    m.driver = gpu_machine_usual.driver;
    m.n_devices = 2;
    check_machine(m, DF_EINVAL, "backend cuda: there is no GPU 5: 2 are visible, numbered from 0");
    m.n_devices = 0;
    void *ctx = NULL;
    gpu_double_machine(&m);
    assert_int_equal(df_backend_cuda.open(&ctx, &(df_backend_cfg) { .dtype = DF_F32 }, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "backend cuda: no GPU: "));
    m = gpu_machine_usual;
    m.major = 7;
    m.minor = 5;
    gpu_double_machine(&m);
    assert_int_equal(df_backend_cuda.open(&ctx, &(df_backend_cfg) { .dtype = DF_F32, .gpu = 5 }, &err),
                     DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "is of compute capability 7.5; kernels are built for 8.0 and later"));
}

typedef struct setup {
    df_graph *g;
    df_cut *cut;
    df_weights *weights;
} setup;

static setup open_setup(uint64_t seed) {
    setup s = { .g = fixture_random_graph(seed) };
    assert_int_equal(df_graph_fuse(s.g, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&s.cut, s.g, NULL), DF_OK);
    s.weights = fixture_weights(s.g, NULL, 0);
    return s;
}

static void close_setup(setup *s) {
    df_weights_close(&s->weights);
    df_cut_free(&s->cut);
    df_graph_free(&s->g);
}

static df_code open_stage(const setup *s, df_stage **out, df_err *err) {
    const df_stage_cfg cfg = { .graph = s->g,
                               .cut = s->cut,
                               .weights = s->weights,
                               .backend = &df_backend_cuda,
                               .backend_cfg = { .dtype = DF_F32 } };
    df_code rc = df_stage_open(out, &cfg, err);
    return rc ? rc : df_stage_reserve(*out, ROWS, 1, err);
}

static df_code run_stage(const setup *s, df_stage *stage, int64_t first_row, df_err *err) {
    for (int i = 0; i < s->g->n_inputs; i++)
        fixture_fill_input(s->g, i, first_row, ROWS, DF_F32, df_stage_value(stage, 0, s->g->inputs[i].value, ROWS));
    return df_stage_run(stage, 0, 0, ROWS, err);
}

/* Of the reference backend; weights of many nodes have gone through the same few pinned buffers. */
static void check_outputs(const setup *s, df_stage *stage, int64_t first_row) {
    size_t bytes;
    const fixture_run run = {
        .g = s->g, .cut = s->cut, .weights = s->weights, .dtype = DF_F32, .first_row = first_row, .n_rows = ROWS
    };
    float *all = fixture_outputs(&run, &bytes), *want = all;
    for (int i = 0; i < s->g->n_outputs; i++) {
        df_value_id v = s->g->outputs[i].value;
        const float *got = df_stage_value(stage, 0, v, ROWS);
        size_t n = df_stage_value_bytes(stage, v, ROWS) / sizeof *got;
        double squares = 0, errors = 0;
        for (size_t k = 0; k < n; k++) {
            squares += (double)want[k] * (double)want[k];
            errors += ((double)got[k] - (double)want[k]) * ((double)got[k] - (double)want[k]);
        }
        /* f32 through some ten nodes */
        if (!(errors <= squares * 1e-5 * 1e-5))
            fail_msg("output '%s': error %g of %g", s->g->outputs[i].name, sqrt(errors), sqrt(squares));
        want += n;
    }
    free(all);
}

static void test_outputs_are_the_references(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        setup s = open_setup(seed);
        df_stage *stage = NULL;
        df_err err = { 0 };
        if (open_stage(&s, &stage, &err)) fail_msg("%s", err.text);
        for (int64_t pass = 0; pass < 3; pass++) {
            if (run_stage(&s, stage, 7 * pass, &err)) fail_msg("%s", err.text);
            check_outputs(&s, stage, 7 * pass);
        }
        df_stage_close(&stage);
        close_setup(&s);
    }
}

/* Each allocation on the device or of pinned memory is refused once, from an open to a third run. */
static void test_every_allocation_may_be_refused(void **state) {
    (void)state;
    setup s = open_setup(2);
    int n = 0;
    for (df_code rc = DF_ENOMEM; rc; n++) {
        gpu_machine m = gpu_machine_usual;
        df_stage *stage = NULL;
        df_err err = { 0 };
        gpu_double_reset(1);
        m.refused = n + 1;
        gpu_double_machine(&m);
        rc = open_stage(&s, &stage, &err);
        for (int64_t pass = 0; pass < 3 && !rc; pass++) rc = run_stage(&s, stage, pass, &err);
        df_stage_close(&stage);
        if (rc && rc != DF_ENOMEM) fail_msg("allocation %d: %s: %s", n, df_code_name(rc), err.text);
        const char *fault = gpu_double_end();
        if (*fault) fail_msg("allocation %d: %s", n, fault);
    }
    assert_true(n > 10);
    close_setup(&s);
}

/* From its second run on a step allocates nothing, and from its first on the host waits once. */
static void test_a_step_allocates_nothing_and_waits_once(void **state) {
    (void)state;
    setup s = open_setup(4);
    df_stage *stage = NULL;
    df_err err = { 0 };
    if (open_stage(&s, &stage, &err)) fail_msg("%s", err.text);
    size_t held = gpu_double_allocated();
    gpu_machine m = gpu_machine_usual;
    m.refused = 1;
    gpu_double_machine(&m); /* the next would be refused */
    for (int64_t pass = 0; pass < 5; pass++) {
        int waits = gpu_double_waits();
        if (run_stage(&s, stage, pass, &err)) fail_msg("%s", err.text);
        assert_int_equal(gpu_double_waits() - waits, 1);
        assert_int_equal(gpu_double_allocated(), held);
    }
    df_stage_close(&stage);
    close_setup(&s);
}

static void test_no_room(void **state) {
    (void)state;
    setup s = open_setup(1);
    df_stage *stage = NULL;
    df_err err = { 0 };
    gpu_machine m = gpu_machine_usual;
    m.memory = 8 << 20;
    gpu_double_machine(&m);
    if (open_stage(&s, &stage, &err)) fail_msg("%s", err.text);
    assert_int_equal(df_stage_reserve(stage, 30000, 2, &err), DF_ENOMEM);
    assert_non_null(strstr(err.text, "2 slots of 30000 rows take"));
    assert_non_null(strstr(err.text, "GPU 0: no room for"));
    assert_non_null(strstr(err.text, "rows would fit"));
    df_stage_close(&stage);
    m.memory = 4096;
    gpu_double_machine(&m);
    assert_int_equal(open_stage(&s, &stage, &err), DF_ENOMEM);
    close_setup(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_machines, start, end),
        cmocka_unit_test_setup_teardown(test_outputs_are_the_references, start, end),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_be_refused, start, end),
        cmocka_unit_test_setup_teardown(test_a_step_allocates_nothing_and_waits_once, start, end),
        cmocka_unit_test_setup_teardown(test_no_room, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/thread_farm.h"

enum { H = 16, W = 16, TOKENS = 77, RANKS_MOST = 4, ROWS = 4, SLOTS = 5 };

static df_pipeline_cfg config(const df_backend *backend) {
    return (df_pipeline_cfg) {
        .backend = backend,
        .backend_cfg = { .dtype = DF_F32, .threads = 1 },
        .max_rows = ROWS,
        .n_slots = SLOTS,
        .stall_timeout_ms = 60000,
    };
}

static int load(thread_farm *f, df_component c, int h, int w) {
    int program = -1;
    df_err err;
    if (df_pipeline_load(f->pipeline, c, h, w, &program, &err)) fail_msg("%s", err.text);
    assert_true(program >= 0);
    return program;
}

/* A row's inputs follow from its seed alone, wherever it runs. */
static void fill_port(thread_farm *f, int slot, int program, const char *port, int64_t n_rows, int64_t row,
                      unsigned seed) {
    const df_graph *g = df_pipeline_graph(f->pipeline, program);
    df_value_id v = df_graph_find_input(g, port);
    size_t n = (size_t)df_shape_elements(df_graph_shape(g, v));
    void *data = df_pipeline_input(f->pipeline, slot, program, port, n_rows);
    assert_non_null(data);
    if (g->values[v].dtype == DF_I32) {
        for (size_t i = 0; i < n; i++) ((int32_t *)data)[(size_t)row * n + i] = (int32_t)((seed * 31 + i * 7) % 3000);
    } else if (strcmp(port, "timestep") == 0) {
        ((double *)data)[row] = seed * 37 % 1000;
    } else {
        thread_farm_fill((float *)data + (size_t)row * n, n, seed);
    }
}

static void fill_row(thread_farm *f, int slot, int program, int64_t n_rows, int64_t row, unsigned seed) {
    const df_graph *g = df_pipeline_graph(f->pipeline, program);
    for (int i = 0; i < g->n_inputs; i++)
        fill_port(f, slot, program, g->inputs[i].name, n_rows, row, seed + 1000u * (unsigned)i);
}

/* FNV-1a over all outputs of one row. */
static uint64_t digest_row(thread_farm *f, int slot, int program, int64_t n_rows, int64_t row) {
    const df_graph *g = df_pipeline_graph(f->pipeline, program);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < g->n_outputs; i++) {
        size_t bytes = (size_t)df_shape_elements(df_graph_shape(g, g->outputs[i].value)) * sizeof(float);
        const unsigned char *data = df_pipeline_output(f->pipeline, slot, program, g->outputs[i].name, n_rows);
        assert_non_null(data);
        for (size_t b = 0; b < bytes; b++) hash = (hash ^ data[(size_t)row * bytes + b]) * 0x100000001b3u;
    }
    return hash;
}

/* Many micro-batches of 1..ROWS rows, all slots in flight, three components mixed; digest [n_rows_total]. */
typedef struct work {
    int program;
    int64_t n_rows;
    unsigned first; /* seed of the first row, and index of its digest */
} work;

static int plan_work(const int *programs, work *all) {
    static const int kinds[] = { 1, 0, 1, 1, 2, 1, 0, 1, 1, 2, 1, 1, 1 };
    unsigned first = 0;
    int n = (int)(sizeof kinds / sizeof *kinds);
    for (int i = 0; i < n; i++) {
        all[i] = (work) { programs[kinds[i]], 1 + i * 3 % ROWS, first };
        first += (unsigned)all[i].n_rows;
    }
    return n;
}

static void do_work(thread_farm *f, const work *all, int n, uint64_t *digest) {
    int at[SLOTS], next = 0, ended = 0;
    df_err err;
    while (ended < n) {
        for (int slot; next < n && (slot = df_pipeline_free_slot(f->pipeline)) >= 0; next++) {
            for (int64_t r = 0; r < all[next].n_rows; r++)
                fill_row(f, slot, all[next].program, all[next].n_rows, r, all[next].first + (unsigned)r);
            if (df_pipeline_start(f->pipeline, slot, all[next].program, all[next].n_rows, &err))
                fail_msg("%s", err.text);
            at[slot] = next;
        }
        int slot;
        if (df_pipeline_advance(f->pipeline, 100000, &slot, &err)) fail_msg("%s", err.text);
        if (slot < 0) continue;
        const work *w = &all[at[slot]];
        for (int64_t r = 0; r < w->n_rows; r++)
            digest[w->first + (unsigned)r] = digest_row(f, slot, w->program, w->n_rows, r);
        ended++;
    }
}

static void run_mixed(const df_model *m, const df_backend *backend, int n_ranks, uint64_t *digest) {
    df_pipeline_cfg cfg = config(backend);
    thread_farm f;
    work all[32];
    thread_farm_open(&f, m, n_ranks, &cfg, false);
    int programs[] = { load(&f, DF_TEXT_ENCODER, 0, 0), load(&f, DF_UNET, H, W), load(&f, DF_VAE_DECODER, H, W) };
    assert_int_equal(load(&f, DF_UNET, H, W), programs[1]); /* loaded once */
    do_work(&f, all, plan_work(programs, all), digest);
    thread_farm_close(&f);
    for (int i = 1; i < n_ranks; i++) assert_int_equal(f.rank[i].rc, DF_OK);
}

static void test_same_bytes_for_any_ranks(void **state) {
    (void)state;
    uint64_t one[64] = { 0 }, many[64];
    df_model *m = thread_farm_starter();
    run_mixed(m, &df_backend_cpu, 1, one);
    for (int n_ranks = 2; n_ranks <= RANKS_MOST; n_ranks++) {
        memset(many, 0, sizeof many);
        run_mixed(m, &df_backend_cpu, n_ranks, many);
        assert_memory_equal(one, many, sizeof one);
    }
    df_model_close(&m);
}

/* A row alone on one rank, and in the middle of a batch. */
static void test_a_row_does_not_see_its_neighbours(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_pipeline_cfg cfg = config(&df_backend_cpu);
    thread_farm f;
    df_err err;
    thread_farm_open(&f, m, 2, &cfg, false);
    int unet = load(&f, DF_UNET, H, W);
    fill_row(&f, 0, unet, 1, 0, 7);
    assert_int_equal(thread_farm_run(&f, 0, unet, 1, &err), DF_OK);
    uint64_t alone = digest_row(&f, 0, unet, 1, 0);
    for (int64_t r = 0; r < 3; r++) fill_row(&f, 1, unet, 3, r, (unsigned)(6 + r));
    assert_int_equal(thread_farm_run(&f, 1, unet, 3, &err), DF_OK);
    assert_true(digest_row(&f, 1, unet, 3, 1) == alone);
    assert_true(digest_row(&f, 1, unet, 3, 0) != alone);
    thread_farm_close(&f);
    df_model_close(&m);
}

/* A backend that fails once, at its n-th node. */
static atomic_int countdown;

static df_code failing_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                           const void *residual, void *out, void *scratch, df_err *err) {
    if (atomic_fetch_sub(&countdown, 1) == 1) return df_err_set(err, DF_EBACKEND, "the device caught fire");
    return df_backend_cpu.node_run(k, n_rows, in, add_channel, residual, out, scratch, err);
}

static df_code failing_open(void **ctx, const df_backend_cfg *cfg, df_err *err) {
    (void)ctx, (void)cfg;
    return df_err_set(err, DF_ENOMEM, "no memory left for weights");
}

static void check_error_arrives(const df_model *m, int n_ranks, int bad_rank) {
    df_backend failing = df_backend_cpu;
    df_pipeline_cfg cfg[RANKS_MOST];
    thread_farm f;
    df_err err = { 0 };
    char rank_name[32];
    int bad_slot = -1;
    failing.node_run = failing_run;
    for (int i = 0; i < n_ranks; i++) cfg[i] = config(i == bad_rank ? &failing : &df_backend_cpu);
    atomic_store(&countdown, 30);
    thread_farm_open(&f, m, n_ranks, cfg, true);
    int unet = load(&f, DF_UNET, H, W), n_errors = 0, n_ended = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        for (int64_t r = 0; r < 2; r++) fill_row(&f, slot, unet, 2, r, (unsigned)(slot * 2 + r));
        assert_int_equal(df_pipeline_start(f.pipeline, slot, unet, 2, &err), DF_OK);
    }
    while (n_ended < SLOTS) {
        df_err why = { 0 };
        int slot;
        df_code rc = df_pipeline_advance(f.pipeline, 100000, &slot, &why);
        n_ended += slot >= 0;
        if (!rc) continue;
        n_errors++;
        bad_slot = slot;
        err = why;
    }
    assert_int_equal(n_errors, 1); /* the other micro-batches are not touched */
    assert_true(bad_slot >= 0);
    assert_int_equal(err.code, DF_EBACKEND);
    assert_non_null(strstr(err.text, "the device caught fire"));
    snprintf(rank_name, sizeof rank_name, "rank %d", bad_rank);
    if (n_ranks > 1) assert_non_null(strstr(err.text, rank_name));
    assert_non_null(strstr(err.text, "unet 16x16"));
    /* and the pipeline goes on */
    fill_row(&f, 0, unet, 1, 0, 1);
    assert_int_equal(thread_farm_run(&f, 0, unet, 1, &err), DF_OK);
    thread_farm_close(&f);
    for (int i = 1; i < n_ranks; i++) assert_int_equal(f.rank[i].rc, DF_OK);
}

static void test_a_failed_kernel_is_told(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    check_error_arrives(m, 1, 0);
    for (int bad = 0; bad < 3; bad++) check_error_arrives(m, 3, bad);
    df_model_close(&m);
}

static void test_a_failed_load_is_told(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_backend failing = df_backend_cpu;
    failing.open = failing_open;
    for (int bad = 0; bad < 3; bad++) {
        df_pipeline_cfg cfg[3];
        thread_farm f;
        df_err err;
        int program = -1;
        for (int i = 0; i < 3; i++) cfg[i] = config(i == bad ? &failing : &df_backend_cpu);
        thread_farm_open(&f, m, 3, cfg, true);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(df_pipeline_load(f.pipeline, DF_UNET, H, W, &program, &err), DF_ENOMEM);
            assert_non_null(strstr(err.text, "no memory left for weights"));
        }
        assert_false(df_pipeline_is_broken(f.pipeline));
        thread_farm_close(&f);
        for (int i = 1; i < 3; i++) assert_int_equal(f.rank[i].rc, DF_OK);
    }
    df_model_close(&m);
}

static void test_ranks_that_differ_are_told(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_pipeline_cfg cfg[2] = { config(&df_backend_cpu), config(&df_backend_reference) };
    thread_farm f;
    df_err err;
    int program;
    thread_farm_open(&f, m, 2, cfg, true);
    assert_int_equal(df_pipeline_load(f.pipeline, DF_UNET, H, W, &program, &err), DF_EPROTOCOL);
    assert_non_null(strstr(err.text, "rank 1 has another plan than rank 0"));
    thread_farm_close(&f);
    df_model_close(&m);
}

/* A rank that never answers: rank 0 gives up with a clear text, and closing does not wait for it. */
static void test_a_silent_rank_is_given_up(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_comm *comm[2];
    df_pipeline_cfg cfg = config(&df_backend_cpu);
    df_pipeline *p = NULL;
    df_err err;
    int program;
    cfg.load_timeout_ms = 50;
    assert_int_equal(df_comm_threads_open(comm, 2, &err), DF_OK);
    assert_int_equal(df_pipeline_open(&p, comm[0], m, &cfg, &err), DF_OK);
    assert_int_equal(df_pipeline_load(p, DF_VAE_DECODER, H, W, &program, &err), DF_ETIMEOUT);
    assert_non_null(strstr(err.text, "has not ended on rank 1"));
    assert_true(df_pipeline_is_broken(p));
    assert_int_equal(df_pipeline_load(p, DF_VAE_DECODER, H, W, &program, &err), DF_ETIMEOUT);
    df_pipeline_close(&p);
    for (int i = 0; i < 2; i++) comm[i]->ops->close(&comm[i]);
    df_model_close(&m);
}

/* Rank 0 goes away without a word: the others end with an error instead of waiting for ever. */
static void test_a_lost_rank_0_ends_the_others(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_comm *comm[3];
    thread_farm_rank rank[3];
    df_err err;
    assert_int_equal(df_comm_threads_open(comm, 3, &err), DF_OK);
    for (int i = 1; i < 3; i++) {
        rank[i] = (thread_farm_rank) { .comm = comm[i], .model = m, .cfg = config(&df_backend_cpu) };
        assert_int_equal(pthread_create(&rank[i].thread, NULL, thread_farm_serve, &rank[i]), 0);
    }
    comm[0]->ops->close(&comm[0]);
    for (int i = 1; i < 3; i++) {
        pthread_join(rank[i].thread, NULL);
        assert_int_equal(rank[i].rc, DF_EUNREACHABLE);
    }
    df_model_close(&m);
}

static void test_programs_come_and_go(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_pipeline_cfg cfg = config(&df_backend_cpu);
    thread_farm f;
    df_err err;
    cfg.n_slots = 1;
    cfg.max_rows = 1;
    thread_farm_open(&f, m, 2, &cfg, false);
    uint64_t first = 0;
    for (int round = 0; round < 2; round++)
        for (int size = 2; size < 20; size++) { /* more sizes than places */
            int program = load(&f, DF_VAE_DECODER, 2, size);
            fill_row(&f, 0, program, 1, 0, 3);
            assert_int_equal(thread_farm_run(&f, 0, program, 1, &err), DF_OK);
            uint64_t digest = digest_row(&f, 0, program, 1, 0);
            if (round == 0 && size == 2) first = digest;
            if (round == 1 && size == 2) assert_true(digest == first);
        }
    thread_farm_close(&f);
    df_model_close(&m);
}

static void test_refusals(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_pipeline_cfg cfg = config(&df_backend_cpu), bad = cfg;
    thread_farm f;
    df_comm *comm = NULL;
    df_pipeline *p = NULL;
    df_err err;
    assert_int_equal(df_comm_self_open(&comm, &err), DF_OK);
    bad.max_rows = 0;
    assert_int_equal(df_pipeline_open(&p, comm, m, &bad, &err), DF_EINVAL);
    bad = cfg;
    bad.n_slots = 0;
    assert_int_equal(df_pipeline_open(&p, comm, m, &bad, &err), DF_EINVAL);
    comm->ops->close(&comm);
    thread_farm_open(&f, m, 1, &cfg, false);
    int unet = load(&f, DF_UNET, H, W);
    assert_null(df_pipeline_input(f.pipeline, 0, unet, "sampel", 1));
    assert_null(df_pipeline_input(f.pipeline, SLOTS, unet, "sample", 1));
    assert_null(df_pipeline_input(f.pipeline, 0, unet, "sample", ROWS + 1));
    assert_int_equal(df_pipeline_start(f.pipeline, 0, unet, ROWS + 1, &err), DF_EINVAL);
    assert_int_equal(df_pipeline_start(f.pipeline, 0, unet + 1, 1, &err), DF_EINVAL);
    fill_row(&f, 0, unet, 1, 0, 1);
    assert_int_equal(df_pipeline_start(f.pipeline, 0, unet, 1, &err), DF_OK);
    assert_int_equal(df_pipeline_start(f.pipeline, 0, unet, 1, &err), DF_EINVAL); /* busy */
    assert_int_equal(df_pipeline_serve(f.pipeline, &err), DF_EINVAL);
    thread_farm_close(&f); /* with a slot in flight */
    df_model_close(&m);
}

/* An autoencoder has a row for each picture, and no room for more. */
static void test_rows_of_an_autoencoder(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    size_t slots[2];
    for (int all = 0; all < 2; all++) {
        df_pipeline_cfg cfg = config(&df_backend_cpu);
        thread_farm f;
        cfg.max_pictures = all ? 0 : ROWS / 2;
        thread_farm_open(&f, m, 1, &cfg, false);
        int decoder = load(&f, DF_VAE_DECODER, H, W);
        slots[all] = df_pipeline_memory(f.pipeline).slot_bytes;
        assert_non_null(df_pipeline_input(f.pipeline, 0, decoder, "z", ROWS / 2));
        assert_int_equal(df_pipeline_input(f.pipeline, 0, decoder, "z", ROWS) != NULL, all);
        int unet = load(&f, DF_DENOISER, H, W);
        assert_non_null(df_pipeline_input(f.pipeline, 0, unet, "sample", ROWS));
        thread_farm_close(&f);
    }
    assert_int_equal(slots[1], 2 * slots[0]);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_an_autoencoder),
        cmocka_unit_test(test_same_bytes_for_any_ranks),
        cmocka_unit_test(test_a_row_does_not_see_its_neighbours),
        cmocka_unit_test(test_a_failed_kernel_is_told),
        cmocka_unit_test(test_a_failed_load_is_told),
        cmocka_unit_test(test_ranks_that_differ_are_told),
        cmocka_unit_test(test_a_silent_rank_is_given_up),
        cmocka_unit_test(test_a_lost_rank_0_ends_the_others),
        cmocka_unit_test(test_programs_come_and_go),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

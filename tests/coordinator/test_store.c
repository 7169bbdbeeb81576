/* The store: what it keeps, and what is left of it when the machine stops at any moment of a scripted run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/lease.h"
#include "coordinator/store.h"
#include "tests/coordinator/bench.h"

enum { N_ROWS = 12 };

typedef struct counts {
    uint64_t n_rows, n_done, n_failed, n_leased;
    size_t n_leases;
} counts;

typedef struct loaded {
    df_job *job;
    size_t n_leases, n_lease_rows;
} loaded;

static df_code keep_job(void *ctx, df_job *job, df_err *err) {
    (void)err;
    loaded *l = ctx;
    assert_null(l->job);
    l->job = job;
    return DF_OK;
}

static df_code keep_lease(void *ctx, const df_stored_lease *lease, df_err *err) {
    (void)err;
    loaded *l = ctx;
    l->n_leases++;
    l->n_lease_rows += lease->n_rows;
    return DF_OK;
}

static counts count(df_store *s) {
    loaded l = { 0 };
    df_err err;
    if (df_store_load_jobs(s, keep_job, &l, &err)) fail_msg("%s", err.text);
    if (df_store_load_leases(s, keep_lease, &l, &err)) fail_msg("%s", err.text);
    counts c = { .n_leases = l.n_leases };
    if (l.job) {
        c = (counts) { l.job->n_rows, l.job->n_done, l.job->n_failed, l.job->n_leased, l.n_leases };
        assert_int_equal(l.n_lease_rows, c.n_leased); /* a leased row has a lease, always */
    }
    df_job_free(&l.job);
    return c;
}

static df_job *new_job(const char *job_id) {
    df_job_spec spec = { .job_id = job_id,
                         .title = "t",
                         .out_dir = "/o",
                         .model_path = "/m",
                         .model_name = "m",
                         .model_sha256 = MODEL_A,
                         .dtype = "f32",
                         .noise = "torch-cpu",
                         .format = "png",
                         .manifest_sha256 = MODEL_B,
                         .model_config = "/configs",
                         .micro_batch = 3,
                         .no_t5 = true,
                         .prompt_weights = true,
                         .fast_conv = true };
    return df_job_new(&spec);
}

static void add_rows(df_store *s, const df_job *job, uint64_t from, uint64_t n) {
    df_err err;
    df_arena *arena = df_arena_new();
    for (uint64_t i = from; i < from + n; i++) {
        Diffarm__Row wire;
        df_row row;
        bench_row(&wire, i);
        assert_int_equal(df_row_from_wire(&row, &wire, arena, &err), DF_OK);
        if (df_store_add_row(s, job->key, &row, &err)) fail_msg("%s", err.text);
    }
    df_arena_free(&arena);
}

/* the script: each step is one transaction */

typedef struct script {
    df_store *store;
    df_job *job;
    int64_t lease;
} script;

static void step(script *p, int n) {
    df_err err;
    bool failed;
    const df_row_result result = { .png_sha256 = MODEL_A, .flags = "flat", .scheduler = "ddim", .worker = "w" };
    assert_int_equal(df_store_begin(p->store, n % 2 == 0, &err), DF_OK);
    switch (n) {
    case 0: assert_int_equal(df_store_add_job(p->store, p->job, &err), DF_OK); break;
    case 1: add_rows(p->store, p->job, 0, N_ROWS); break;
    case 2:
        p->job->state = DF_JOB_RUNNING;
        p->job->n_rows = N_ROWS;
        assert_int_equal(df_store_save_job(p->store, p->job, &err), DF_OK);
        break;
    case 3:
        assert_int_equal(df_store_add_lease(p->store, p->job->key, "t-1", "w", &p->lease, &err), DF_OK);
        for (uint64_t i = 0; i < 6; i++) df_store_lease_row(p->store, p->lease, p->job->key, i, &err);
        break;
    case 4: assert_int_equal(df_store_row_done(p->store, p->job->key, 0, &result, &err), DF_OK); break;
    case 5:
        assert_int_equal(df_store_row_attempt(p->store, p->job->key, 1, "w", "bad", true, 2, &failed, &err), DF_OK);
        assert_true(failed);
        break;
    case 6:
        assert_int_equal(df_store_row_attempt(p->store, p->job->key, 2, "w", "bad", false, 2, &failed, &err), DF_OK);
        assert_false(failed);
        break;
    case 7: assert_int_equal(df_store_row_lost(p->store, p->job->key, 3, "w", 3, &failed, &err), DF_OK); break;
    default:
        for (uint64_t i = 4; i < 6; i++) assert_int_equal(df_store_row_back(p->store, p->job->key, i, &err), DF_OK);
        assert_int_equal(df_store_remove_lease(p->store, p->lease, &err), DF_OK);
        break;
    }
    if (df_store_commit(p->store, &err)) fail_msg("%s", err.text);
}

enum { N_STEPS = 9 };

/* What must be there after each step: an upload that has not ended counts for nothing. */
static const counts after[N_STEPS] = {
    { 0 },
    { 0 },
    { N_ROWS, 0, 0, 0, 0 },
    { N_ROWS, 0, 0, 6, 1 },
    { N_ROWS, 1, 0, 5, 1 },
    { N_ROWS, 1, 1, 4, 1 },
    { N_ROWS, 1, 1, 3, 1 },
    { N_ROWS, 1, 1, 2, 1 },
    { N_ROWS, 1, 1, 0, 0 },
};

static bool same(counts a, counts b) {
    return a.n_rows == b.n_rows && a.n_done == b.n_done && a.n_failed == b.n_failed && a.n_leased == b.n_leased &&
           a.n_leases == b.n_leases;
}

static counts count_copy(const char *from, const char *to) {
    df_store *s;
    df_err err;
    bench_copy_store(from, to);
    if (df_store_open(&s, to, &err)) fail_msg("%s", err.text);
    counts c = count(s);
    df_store_close(&s);
    return c;
}

static void a_crash_after_any_step_keeps_what_was_committed(void **state) {
    (void)state;
    char *dir = bench_temp_dir(), *copy = bench_temp_dir();
    script p = { .job = new_job(JOB_1) };
    df_err err;
    assert_int_equal(df_store_open(&p.store, dir, &err), DF_OK);
    for (int i = 0; i < N_STEPS; i++) {
        step(&p, i);
        assert_true(same(count_copy(dir, copy), after[i]));
    }
    df_store_close(&p.store);
    df_job_free(&p.job);
    bench_remove(dir);
    bench_remove(copy);
}

/* The log is cut at any byte: a power cut between two syncs. What comes back is one of the steps, whole. */
static void a_torn_log_is_one_of_the_steps(void **state) {
    (void)state;
    char *dir = bench_temp_dir(), *copy = bench_temp_dir(), wal[4096], torn[4096];
    script p = { .job = new_job(JOB_1) };
    struct stat st;
    df_err err;
    bool seen[N_STEPS] = { false };
    snprintf(wal, sizeof wal, "%s/farm.db-wal", dir);
    snprintf(torn, sizeof torn, "%s/farm.db-wal", copy);
    assert_int_equal(df_store_open(&p.store, dir, &err), DF_OK);
    df_store_close(&p.store); /* the layout is in the database itself, the script in the log */
    assert_int_equal(df_store_open(&p.store, dir, &err), DF_OK);
    for (int i = 0; i < N_STEPS; i++) step(&p, i);
    assert_int_equal(stat(wal, &st), 0);
    for (off_t cut = st.st_size; cut >= 0; cut -= 1361) {
        df_store *s;
        bench_copy_store(dir, copy);
        assert_int_equal(truncate(torn, cut), 0);
        if (df_store_open(&s, copy, &err)) fail_msg("cut at %lld: %s", (long long)cut, err.text);
        counts c = count(s);
        df_store_close(&s);
        bool known = false;
        for (int i = 0; i < N_STEPS; i++)
            if (same(c, after[i])) known = seen[i] = true;
        assert_true(known);
    }
    assert_true(seen[2] && seen[5] && seen[N_STEPS - 1]);
    df_store_close(&p.store);
    df_job_free(&p.job);
    bench_remove(dir);
    bench_remove(copy);
}

static void a_rolled_back_step_leaves_no_trace(void **state) {
    (void)state;
    char *dir = bench_temp_dir();
    script p = { .job = new_job(JOB_1) };
    df_err err;
    assert_int_equal(df_store_open(&p.store, dir, &err), DF_OK);
    for (int i = 0; i < 3; i++) step(&p, i);
    assert_int_equal(df_store_begin(p.store, true, &err), DF_OK);
    add_rows(p.store, p.job, N_ROWS, 3);
    df_store_rollback(p.store);
    df_store_rollback(p.store); /* without a transaction: fine */
    assert_true(same(count(p.store), after[2]));
    assert_int_equal(df_store_begin(p.store, true, &err), DF_OK);
    Diffarm__Row wire;
    df_row row;
    bench_row(&wire, 0);
    df_arena *arena = df_arena_new();
    df_row_from_wire(&row, &wire, arena, &err);
    assert_int_equal(df_store_add_row(p.store, p.job->key, &row, &err), DF_EEXIST);
    df_arena_free(&arena);
    df_store_rollback(p.store);
    df_store_close(&p.store);
    df_job_free(&p.job);
    bench_remove(dir);
}

static void every_field_comes_back(void **state) {
    (void)state;
    char *dir = bench_temp_dir();
    df_job *job = new_job(JOB_1);
    df_store *s;
    df_err err;
    df_stored_row back;
    df_arena *arena = df_arena_new();
    const df_row row = { .row = 0,
                         .seed = INT64_MAX,
                         .line = 77,
                         .width = 512,
                         .height = 768,
                         .steps = 30,
                         .guidance = 0.1,
                         .prompt = "a \"cat\"\n\xc3\xbc",
                         .negative = "dog",
                         .scheduler = "euler",
                         .task = "txt2img",
                         .name = "cats/1",
                         .extras = "{\"strength\":0.5}" };
    assert_int_equal(df_store_open(&s, dir, &err), DF_OK);
    df_store_begin(s, true, &err);
    assert_int_equal(df_store_add_job(s, job, &err), DF_OK);
    assert_int_equal(df_store_add_row(s, job->key, &row, &err), DF_OK);
    job->state = DF_JOB_RUNNING;
    job->n_duplicates = 5;
    assert_int_equal(df_store_save_job(s, job, &err), DF_OK);
    assert_int_equal(df_store_commit(s, &err), DF_OK);
    df_store_close(&s);
    assert_int_equal(df_store_open(&s, dir, &err), DF_OK);
    assert_int_equal(df_store_starts(s), 2);
    assert_int_equal(df_store_read_row(s, job->key, 0, arena, &back, &err), DF_OK);
    assert_true(back.is.seed == INT64_MAX && back.is.line == 77 && back.is.width == 512 && back.is.height == 768);
    assert_true(back.is.steps == 30 && back.is.guidance == 0.1 && back.state == DF_ROW_PENDING);
    assert_string_equal(back.is.prompt, row.prompt);
    assert_string_equal(back.is.negative, "dog");
    assert_string_equal(back.is.scheduler, "euler");
    assert_string_equal(back.is.name, "cats/1");
    assert_string_equal(back.is.extras, row.extras);
    assert_int_equal(df_store_read_row(s, job->key, 1, arena, &back, &err), DF_ENOTFOUND);
    loaded l = { 0 };
    assert_int_equal(df_store_load_jobs(s, keep_job, &l, &err), DF_OK);
    assert_string_equal(l.job->spec.manifest_sha256, MODEL_B);
    assert_int_equal(l.job->spec.micro_batch, 3);
    assert_string_equal(l.job->spec.model_config, "/configs");
    assert_true(l.job->spec.no_t5 && l.job->spec.prompt_weights && !l.job->spec.long_prompts);
    assert_true(l.job->spec.fast_conv);
    assert_int_equal(l.job->n_duplicates, 5);
    df_job_free(&l.job);
    df_arena_free(&arena);
    df_job_free(&job);
    df_store_close(&s);
    bench_remove(dir);
}

static void pending_rows_come_in_order_and_say_who_failed_at_them(void **state) {
    (void)state;
    char *dir = bench_temp_dir();
    script p = { .job = new_job(JOB_1) };
    const df_row_pick *picks;
    size_t n;
    df_err err;
    assert_int_equal(df_store_open(&p.store, dir, &err), DF_OK);
    for (int i = 0; i < N_STEPS; i++) step(&p, i);
    assert_int_equal(df_store_pending(p.store, p.job->key, &picks, &n, &err), DF_OK);
    assert_int_equal(n, 10); /* 0 is done, 1 failed */
    for (size_t i = 0; i < n; i++) assert_int_equal(picks[i].row, i + 2);
    assert_true(picks[0].failed_by == df_store_hash("w") && !picks[1].failed_by);
    assert_true(picks[1].lost == 1 && picks[2].lost == 0);
    df_store_close(&p.store);
    df_job_free(&p.job);
    bench_remove(dir);
}

enum { MANY_ROWS = 3000 };

static df_store *open_many(const char *dir, df_job *job) {
    df_store *s;
    df_err err;
    assert_int_equal(df_store_open(&s, dir, &err), DF_OK);
    df_store_begin(s, true, &err);
    assert_int_equal(df_store_add_job(s, job, &err), DF_OK);
    add_rows(s, job, 0, MANY_ROWS);
    assert_int_equal(df_store_commit(s, &err), DF_OK);
    return s;
}

/* The pending rows are exactly from..MANY_ROWS-1, and `back` before them (MANY_ROWS: none). */
static void expect_pending(df_store *s, const df_job *job, uint64_t from, uint64_t back) {
    const df_row_pick *picks;
    size_t n, first = back < from;
    df_err err;
    assert_int_equal(df_store_pending(s, job->key, &picks, &n, &err), DF_OK);
    assert_true(n >= DF_STORE_WINDOW_ROWS || n == first + MANY_ROWS - from);
    if (first) assert_int_equal(picks[0].row, back);
    for (size_t i = first; i < n; i++) assert_int_equal(picks[i].row, from + i - first);
}

static void lend_rows(df_store *s, const df_job *job, uint64_t from, uint64_t to, bool commit) {
    df_err err;
    df_store_begin(s, false, &err);
    for (uint64_t row = from; row < to; row++) assert_int_equal(df_store_lease_row(s, 1, job->key, row, &err), DF_OK);
    if (commit)
        assert_int_equal(df_store_commit(s, &err), DF_OK);
    else
        df_store_rollback(s);
}

static void pending_rows_follow_what_is_written(void **state) {
    (void)state;
    char *dir = bench_temp_dir();
    df_job *job = new_job(JOB_1);
    df_store *s = open_many(dir, job);
    df_err err;
    expect_pending(s, job, 0, MANY_ROWS);
    lend_rows(s, job, 0, 700, true);
    expect_pending(s, job, 700, MANY_ROWS);
    lend_rows(s, job, 700, 900, false); /* was not to be */
    expect_pending(s, job, 700, MANY_ROWS);
    lend_rows(s, job, 700, 1500, true); /* less than a window is left: it is filled up */
    expect_pending(s, job, 1500, MANY_ROWS);
    df_store_begin(s, false, &err);
    assert_int_equal(df_store_row_back(s, job->key, 42, &err), DF_OK);
    assert_int_equal(df_store_commit(s, &err), DF_OK);
    expect_pending(s, job, 1500, 42);
    lend_rows(s, job, 42, 43, true);
    lend_rows(s, job, 1500, MANY_ROWS - 1, true);
    expect_pending(s, job, MANY_ROWS - 1, MANY_ROWS);
    lend_rows(s, job, MANY_ROWS - 1, MANY_ROWS, true);
    expect_pending(s, job, MANY_ROWS, MANY_ROWS);
    df_store_begin(s, false, &err); /* there was nothing left: now there is */
    assert_int_equal(df_store_row_back(s, job->key, MANY_ROWS - 1, &err), DF_OK);
    assert_int_equal(df_store_commit(s, &err), DF_OK);
    expect_pending(s, job, MANY_ROWS - 1, MANY_ROWS);
    df_store_close(&s);
    df_job_free(&job);
    bench_remove(dir);
}

static void a_file_that_is_no_store_is_an_error(void **state) {
    (void)state;
    char *dir = bench_temp_dir(), path[4096];
    df_store *s;
    df_err err;
    snprintf(path, sizeof path, "%s/farm.db", dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("this is not a database\n", f);
    fclose(f);
    assert_int_equal(df_store_open(&s, dir, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(df_store_open(&s, "/nowhere/at/all", &err), DF_EIO);
    bench_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_after_any_step_keeps_what_was_committed),
        cmocka_unit_test(a_torn_log_is_one_of_the_steps),
        cmocka_unit_test(a_rolled_back_step_leaves_no_trace),
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(pending_rows_come_in_order_and_say_who_failed_at_them),
        cmocka_unit_test(pending_rows_follow_what_is_written),
        cmocka_unit_test(a_file_that_is_no_store_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

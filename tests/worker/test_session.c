/* A worker's feeder over real pipelines of threads: the bundled model, few steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/worker/feed.h"

enum { MAX_RANKS = 3, MAX_PICTURES = 8 };

static const char model_path[] = DF_SOURCE_DIR "/models/starter";
static char model_sha256[DF_SHA256_HEX_BYTES];

static df_session_cfg config(void) {
    return (df_session_cfg) { .backend = df_backend_find("cpu"), .threads = 1 };
}

static int hash_model(void **state) {
    df_model *m = NULL;
    (void)state;
    if (df_model_open(&m, model_path, NULL) || df_model_sha256(m, model_sha256, NULL)) return -1;
    df_model_close(&m);
    return 0;
}

static void *follow(void *comm) {
    df_comm *c = comm;
    df_err err;
    df_session_cfg cfg = config();
    df_code rc = df_session_follow(c, &cfg, &err);
    if (rc) fprintf(stderr, "rank %d: %s\n", c->rank, err.text);
    c->ops->close(&c);
    return rc ? comm : NULL;
}

typedef struct ranks {
    df_comm *comm[MAX_RANKS];
    pthread_t thread[MAX_RANKS];
    int n;
} ranks;

static void start_ranks(ranks *r, int n) {
    r->n = n;
    assert_int_equal(df_comm_threads_open(r->comm, n, NULL), DF_OK);
    for (int i = 1; i < n; i++) pthread_create(&r->thread[i], NULL, follow, r->comm[i]);
}

static void stop_ranks(ranks *r) {
    df_session_dismiss(r->comm[0]);
    for (int i = 1; i < r->n; i++) {
        void *failed;
        pthread_join(r->thread[i], &failed);
        assert_null(failed);
    }
    r->comm[0]->ops->close(&r->comm[0]);
}

typedef struct seen {
    int n_pictures, n_failed;
    uint8_t *rgb[MAX_PICTURES];
    char error[DF_ERR_TEXT_BYTES];
} seen;

static void deliver(void *ctx, df_raw_picture *p) {
    seen *s = ctx;
    assert_in_range(p->result->i, 0, MAX_PICTURES - 1);
    s->rgb[p->result->i] = p->rgb;
    s->n_pictures++;
    df_lease_drop(&p->result->lease);
    free(p->result);
    free(p);
}

static void fail_row(void *ctx, df_result **r) {
    seen *s = ctx;
    s->n_failed++;
    snprintf(s->error, sizeof s->error, "%s", (*r)->why.text);
    df_lease_drop(&(*r)->lease);
    free(*r);
    *r = NULL;
}

static void forget(seen *s) {
    for (int i = 0; i < MAX_PICTURES; i++) free(s->rgb[i]);
    *s = (seen) { 0 };
}

static df_lease *lease_of(size_t n, const char *path, const char *sha256) {
    return lease_to_render(n, path, sha256, "f32");
}

static df_feeder *open_feeder(df_comm *comm, int micro_batch, seen *s) {
    df_feeder *f = NULL;
    const df_feeder_cfg cfg = {
        .comm = comm, .session = config(), .micro_batch = micro_batch, .ctx = s, .deliver = deliver, .fail = fail_row
    };
    assert_int_equal(df_feeder_open(&f, &cfg, NULL), DF_OK);
    return f;
}

static void same_pictures_on_any_number_of_ranks(void **state) {
    seen first = { 0 };
    (void)state;
    for (int n = 1; n <= MAX_RANKS; n++) {
        ranks r;
        seen s = { 0 };
        start_ranks(&r, n);
        df_feeder *f = open_feeder(r.comm[0], n, &s);
        df_lease *l = lease_of(3, model_path, model_sha256);
        df_feeder_lease(f, &l);
        work_off(f);
        assert_int_equal(s.n_pictures, 3);
        assert_true(df_feeder_speed(f).images_per_second > 0 && df_feeder_speed(f).work_per_second > 0);
        df_feeder_close(&f);
        stop_ranks(&r);
        for (int i = 0; n > 1 && i < 3; i++) assert_memory_equal(s.rgb[i], first.rgb[i], 64 * 64 * 3);
        if (n == 1)
            first = s;
        else
            forget(&s);
    }
    forget(&first);
}

/* In pixels times steps that are run: strength is the share of them. */
static void the_speed_is_one_of_work(void **state) {
    ranks r;
    (void)state;
    start_ranks(&r, 1);
    for (int half = 0; half < 2; half++) {
        seen s = { 0 };
        df_feeder *f = open_feeder(r.comm[0], 1, &s);
        df_lease *l = lease_of(2, model_path, model_sha256);
        for (size_t i = 0; half && i < l->n_rows; i++) l->rows[i]->strength = 0.5;
        double work = 64 * 64 * l->rows[0]->steps * (half ? 0.5 : 1);
        df_feeder_lease(f, &l);
        work_off(f);
        df_speed speed = df_feeder_speed(f);
        assert_true(fabs(speed.work_per_second / speed.images_per_second / work - 1) < 1e-6);
        df_feeder_close(&f);
        forget(&s);
    }
    stop_ranks(&r);
}

static void bad_models_fail_their_rows_only(void **state) {
    ranks r;
    seen s = { 0 };
    (void)state;
    start_ranks(&r, 2);
    df_feeder *f = open_feeder(r.comm[0], 1, &s);
    df_lease *l = lease_of(2, "/nowhere/model", model_sha256);
    df_feeder_lease(f, &l);
    work_off(f);
    assert_int_equal(s.n_failed, 2);
    assert_non_null(strstr(s.error, "/nowhere/model"));
    char other[DF_SHA256_HEX_BYTES];
    memset(other, '0', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    l = lease_of(1, model_path, other);
    df_feeder_lease(f, &l);
    work_off(f);
    assert_int_equal(s.n_failed, 3);
    assert_non_null(strstr(s.error, "content hash"));
    l = lease_of(2, model_path, model_sha256);
    strcpy(l->msg->lease->rows[1]->task, "img2img");
    df_feeder_lease(f, &l);
    work_off(f);
    assert_int_equal(s.n_pictures, 1);
    assert_int_equal(s.n_failed, 4);
    assert_non_null(strstr(s.error, "img2img"));
    df_feeder_close(&f);
    stop_ranks(&r);
    forget(&s);
}

static void set_dtype(df_lease *l, const char *dtype) {
    Diffarm__JobSpec *job = l->msg->lease->job;
    free(job->dtype);
    job->dtype = strdup(dtype);
}

/* A job's type is its own: the next one's is another session, on every rank. */
static void a_job_is_computed_in_its_type(void **state) {
    static const struct {
        const char *dtype;
        bool fast_conv;
    } jobs[] = { { "f32", false },  { "bf16", false }, { "bf16", true },
                 { "bf16", false }, { "f32", false },  { "f80", false } };
    enum { JOBS = sizeof jobs / sizeof *jobs };
    uint8_t *rgb[JOBS];
    ranks r;
    seen s = { 0 };
    (void)state;
    if (df_backend_can_compute_in(df_backend_find("cpu"), DF_BF16, NULL)) skip();
    start_ranks(&r, 2);
    df_feeder *f = open_feeder(r.comm[0], 1, &s);
    for (int k = 0; k < JOBS; k++) {
        df_lease *l = lease_of(1, model_path, model_sha256);
        set_dtype(l, jobs[k].dtype);
        l->msg->lease->job->fast_conv = jobs[k].fast_conv;
        df_feeder_lease(f, &l);
        work_off(f);
        rgb[k] = s.rgb[0];
        s.rgb[0] = NULL;
    }
    df_feeder_close(&f);
    stop_ranks(&r);
    assert_memory_equal(rgb[0], rgb[4], 64 * 64 * 3);
    assert_memory_equal(rgb[1], rgb[3], 64 * 64 * 3);
    assert_memory_not_equal(rgb[0], rgb[1], 64 * 64 * 3);
    assert_memory_not_equal(rgb[1], rgb[2], 64 * 64 * 3);
    assert_null(rgb[5]);
    assert_int_equal(s.n_failed, 1);
    assert_non_null(strstr(s.error, "f80"));
    for (int k = 0; k < JOBS; k++) free(rgb[k]);
}

/* int8 means bf16 with scales: neither goes without the other, and the scales are those of the job. */
static void int8_needs_the_scales_of_the_job(void **state) {
    static const struct {
        const char *dtype;
        bool scales, changed;
        const char *says; /* NULL: a picture */
    } cases[] = { { "int8", true, false, NULL },
                  { "bf16", false, false, NULL },
                  { "int8", false, false, "0 files of int8 scales" },
                  { "bf16", true, false, "1 files of int8 scales" },
                  { "int8", true, true, "has changed" } };
    const char *path = DF_SOURCE_DIR "/models/starter/diffarm-int8.json";
    char sha256[DF_SHA256_HEX_BYTES];
    uint8_t *rgb[5];
    ranks r;
    seen s = { 0 };
    (void)state;
    if (df_backend_can_do(df_backend_find("cpu"), (df_arithmetic) { .dtype = DF_BF16, .int8 = true }, NULL)) skip();
    assert_int_equal(df_sha256_file(path, sha256, NULL), DF_OK);
    start_ranks(&r, 2);
    df_feeder *f = open_feeder(r.comm[0], 1, &s);
    for (int k = 0; k < 5; k++) {
        df_lease *l = lease_of(1, model_path, model_sha256);
        int failed = s.n_failed;
        set_dtype(l, cases[k].dtype);
        if (cases[k].scales) give_int8_scales(l->rows[0], path, cases[k].changed ? model_sha256 : sha256);
        df_feeder_lease(f, &l);
        work_off(f);
        rgb[k] = s.rgb[0];
        s.rgb[0] = NULL;
        assert_int_equal(s.n_failed - failed, cases[k].says != NULL);
        if (cases[k].says && !strstr(s.error, cases[k].says)) fail_msg("%s, not: %s", cases[k].says, s.error);
    }
    df_feeder_close(&f);
    stop_ranks(&r);
    assert_memory_not_equal(rgb[0], rgb[1], 64 * 64 * 3);
    for (int k = 0; k < 5; k++) free(rgb[k]);
}

static void revoked_and_returned_rows_end_quietly(void **state) {
    ranks r;
    seen s = { 0 };
    df_err err;
    size_t first = 99;
    (void)state;
    start_ranks(&r, 1);
    df_feeder *f = open_feeder(r.comm[0], 1, &s);
    df_lease *l = lease_of(3, model_path, model_sha256), *held = df_lease_hold(l);
    df_feeder_lease(f, &l);
    assert_int_equal(df_feeder_work(f, &err), DF_OK);
    assert_int_equal(df_feeder_live(f), 1);
    df_lease *back = df_feeder_hand_back(f, &first);
    assert_ptr_equal(back, held);
    assert_int_equal(first, 1);
    assert_null(df_feeder_hand_back(f, &first));
    df_lease_drop(&back);
    df_feeder_revoke(f, held);
    work_off(f);
    df_lease_drop(&held);
    l = lease_of(1, model_path, model_sha256); /* it goes on with others */
    df_feeder_lease(f, &l);
    work_off(f);
    assert_int_equal(s.n_pictures, 1);
    assert_int_equal(s.n_failed, 0);
    df_feeder_close(&f);
    stop_ranks(&r);
    forget(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_pictures_on_any_number_of_ranks), cmocka_unit_test(the_speed_is_one_of_work),
        cmocka_unit_test(bad_models_fail_their_rows_only),      cmocka_unit_test(a_job_is_computed_in_its_type),
        cmocka_unit_test(int8_needs_the_scales_of_the_job),     cmocka_unit_test(revoked_and_returned_rows_end_quietly),
    };
    return cmocka_run_group_tests(tests, hash_model, NULL);
}

/* Sessions that rest and are taken up again, on every rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "worker/shelf.h"

enum { RANKS = 3, TOKENS = 77, WIDTH = 128, STATES = TOKENS * WIDTH };

static const char *const model = DF_SOURCE_DIR "/models/starter";
static char sha256[DF_SHA256_HEX_BYTES];
static df_comm *comm[RANKS];
static pthread_t thread[RANKS];
static df_session_cfg config;

static int hash_model(void **state) {
    (void)state;
    df_model *m = NULL;
    df_err err;
    config = (df_session_cfg) { .backend = df_backend_find("cpu"), .threads = 1 };
    if (df_model_open(&m, model, &err) || df_model_sha256(m, sha256, &err)) return -1;
    df_model_close(&m);
    return 0;
}

static void *follow(void *c) {
    df_err err;
    df_code rc = df_session_follow(c, &config, &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    return rc ? c : NULL;
}

static df_shelf *start(size_t keep_bytes) {
    df_shelf *s = NULL;
    assert_int_equal(df_comm_threads_open(comm, RANKS, NULL), DF_OK);
    for (int i = 1; i < RANKS; i++) pthread_create(&thread[i], NULL, follow, comm[i]);
    assert_int_equal(df_shelf_new(&s, comm[0], &config, keep_bytes, NULL), DF_OK);
    return s;
}

static void stop(df_shelf *s) {
    df_shelf_free(&s);
    df_session_dismiss(comm[0]);
    for (int i = 1; i < RANKS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < RANKS; i++) comm[i]->ops->close(&comm[i]);
}

/* Wants that differ in micro-batch are other sessions. */
static df_session_want want_of(int micro_batch) {
    return (df_session_want) {
        .path = model, .sha256 = sha256, .config_dir = "", .dtype = "f32", .micro_batch = micro_batch
    };
}

static df_session *take(df_shelf *s, int micro_batch, bool is_new) {
    df_session_want want = want_of(micro_batch);
    df_session *session = NULL;
    bool opened;
    df_err err;
    if (df_shelf_take(s, &want, &session, &opened, &err)) fail_msg("%s", err.text);
    assert_int_equal(opened, is_new);
    assert_int_equal(df_session_capacity(session) % micro_batch, 0);
    return session;
}

/* A prompt through the text encoder, on all ranks. */
static void encode(df_session *s, float out[STATES]) {
    df_pipeline *p = df_session_pipeline(s);
    int program, slot = df_pipeline_free_slot(p), ended = -1;
    df_err err;
    if (df_pipeline_load(p, DF_TEXT_ENCODER, 0, 0, &program, &err)) fail_msg("%s", err.text);
    int32_t *ids = df_pipeline_input(p, slot, program, "ids", 1);
    assert_int_equal(df_model_tokenize(df_session_model(s), DF_TEXT_ENCODER, "red apple", ids, TOKENS, NULL, &err),
                     DF_OK);
    if (df_pipeline_start(p, slot, program, 1, &err)) fail_msg("%s", err.text);
    while (ended < 0)
        if (df_pipeline_advance(p, 1000, &ended, &err)) fail_msg("%s", err.text);
    memcpy(out, df_pipeline_output(p, slot, program, "last_hidden_state", 1), STATES * sizeof *out);
}

static void sessions_rest_and_come_back(void **state) {
    (void)state;
    static float first[STATES], again[STATES];
    df_shelf *s = start(SIZE_MAX);
    df_session *one = take(s, 1, true);
    encode(one, first);
    encode(take(s, 2, true), again);
    assert_memory_equal(first, again, sizeof first);
    for (int round = 0; round < 3; round++) {
        assert_ptr_equal(take(s, 1, false), one);
        assert_ptr_equal(take(s, 1, false), one); /* it is in use already */
        memset(again, 0, sizeof again);
        encode(one, again);
        assert_memory_equal(first, again, sizeof first);
        encode(take(s, 2, false), again);
    }
    stop(s);
}

static void what_is_too_much_goes(void **state) {
    (void)state;
    df_shelf *s = start(0);
    static float states[STATES];
    encode(take(s, 1, true), states);
    encode(take(s, 2, true), states);
    take(s, 1, true);
    stop(s);
}

static void the_oldest_makes_room(void **state) {
    (void)state;
    df_shelf *s = start(SIZE_MAX);
    for (int i = 1; i <= DF_SESSION_PLACES; i++) take(s, i, true);
    take(s, 1, false);
    take(s, DF_SESSION_PLACES + 1, true); /* in place of 2 */
    take(s, 1, false);
    take(s, 2, true);
    stop(s);
}

static void a_model_that_cannot_be_opened_leaves_the_others(void **state) {
    (void)state;
    df_shelf *s = start(SIZE_MAX);
    df_session *session = NULL;
    df_session_want bad = want_of(1);
    df_err err;
    bad.path = "/nowhere/model";
    take(s, 1, true);
    assert_int_equal(df_shelf_take(s, &bad, &session, NULL, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/model"));
    take(s, 1, false);
    df_shelf_drop(s);
    take(s, 1, true);
    stop(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_rest_and_come_back),
        cmocka_unit_test(what_is_too_much_goes),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(a_model_that_cannot_be_opened_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, hash_model, NULL);
}

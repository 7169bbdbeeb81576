#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/prompt_cache.h"

enum { BYTES = 1000, KEEP = 3 };

static df_model *model;

static int open_model(void **state) {
    (void)state;
    return df_model_open(&model, DF_SOURCE_DIR "/models/starter", NULL);
}

static int close_model(void **state) {
    (void)state;
    df_model_close(&model);
    return 0;
}

/* n_encoders times the same one. */
static df_prompt_cache *open_cache(int n_encoders) {
    df_prompt_cache *c = NULL;
    df_prompt_cache_cfg cfg = {
        .model = model,
        .encoder = { DF_TEXT_ENCODER, DF_TEXT_ENCODER, DF_TEXT_ENCODER },
        .n_encoders = n_encoders,
        .embedding_bytes = BYTES,
        .limit_bytes = KEEP * BYTES,
    };
    assert_int_equal(df_prompt_cache_open(&c, &cfg, NULL), DF_OK);
    return c;
}

static df_prompt *take(df_prompt_cache *c, const char *text) {
    df_prompt *p = NULL;
    df_err err;
    if (df_prompt_take(c, text, &p, &err)) fail_msg("%s", err.text);
    return p;
}

static void test_one_prompt_for_one_text(void **state) {
    (void)state;
    df_prompt_cache *c = open_cache(1);
    df_prompt *a = take(c, "red apple"), *again = take(c, "red apple"), *empty = take(c, "");
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, empty);
    assert_int_equal(a->n_users, 2);
    assert_int_equal(a->state, DF_PROMPT_QUEUED);
    assert_int_equal(a->ids[0][0], 3112);
    assert_int_equal(a->ids[0][76], 3113);
    assert_false(a->cut);
    assert_true(df_prompt_is_waiting(c, 0));
    assert_ptr_equal(df_prompt_next(c, 0), a); /* taken first, encoded first */
    assert_int_equal(a->state, DF_PROMPT_ENCODING);
    assert_ptr_equal(df_prompt_next(c, 0), empty);
    assert_null(df_prompt_next(c, 0));
    assert_false(df_prompt_is_waiting(c, 0));
    df_prompt_cache_close(&c);
}

static void test_unused_prompts_go_oldest_first(void **state) {
    (void)state;
    df_prompt_cache *c = open_cache(1);
    df_prompt *used = take(c, "used"), *p;
    char text[32];
    used->state = DF_PROMPT_READY;
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "prompt %d", i);
        p = take(c, text);
        p->state = DF_PROMPT_READY;
        df_prompt_release(c, &p);
        assert_null(p);
    }
    assert_int_equal(df_prompt_cache_count(c), 1 + KEEP);
    p = take(c, "prompt 9");
    assert_int_equal(p->state, DF_PROMPT_READY); /* kept */
    df_prompt_release(c, &p);
    p = take(c, "prompt 0");
    assert_int_equal(p->state, DF_PROMPT_QUEUED); /* gone, and new */
    df_prompt_release(c, &p);
    assert_ptr_equal(take(c, "used"), used);
    df_prompt_cache_close(&c);
}

static void test_a_failed_prompt_is_tried_again(void **state) {
    (void)state;
    df_prompt_cache *c = open_cache(1);
    df_prompt *p = take(c, "x"), *old = p;
    df_prompt_fail(df_prompt_next(c, 0), &(df_err) { .code = DF_EBACKEND, .text = "out of ink" });
    assert_string_equal(p->failure.text, "out of ink");
    df_prompt *fresh = take(c, "x");
    assert_ptr_not_equal(fresh, old);
    assert_int_equal(fresh->state, DF_PROMPT_QUEUED);
    df_prompt_release(c, &p);
    assert_int_equal(df_prompt_cache_count(c), 1);
    df_prompt_cache_close(&c);
}

static void test_each_encoder_in_turn(void **state) {
    (void)state;
    df_prompt_cache *c = open_cache(3);
    df_prompt *p = take(c, "red apple");
    for (int k = 0; k < 3; k++) {
        assert_int_equal(p->state, DF_PROMPT_QUEUED);
        assert_int_equal(p->ids[k][76], 3113);
        for (int other = 0; other < 3; other++) assert_int_equal(df_prompt_is_waiting(c, other), other == k);
        assert_ptr_equal(df_prompt_next(c, k), p);
        df_prompt_encoded(c, p);
    }
    assert_int_equal(p->state, DF_PROMPT_READY);
    df_prompt_release(c, &p);
    df_prompt_cache_close(&c);
}

static void test_long_prompts(void **state) {
    (void)state;
    char text[1024] = "";
    for (int i = 0; i < 100; i++) strcat(text, "apple ");
    df_prompt_cache *c = open_cache(1);
    assert_true(take(c, text)->cut);
    df_prompt_cache_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_prompt_for_one_text),
        cmocka_unit_test(test_unused_prompts_go_oldest_first),
        cmocka_unit_test(test_a_failed_prompt_is_tried_again),
        cmocka_unit_test(test_each_encoder_in_turn),
        cmocka_unit_test(test_long_prompts),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

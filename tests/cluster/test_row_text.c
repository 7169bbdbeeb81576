/* The text of a row out of chunks and weights; what the text encoder would give is made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "cluster/row_text.h"
#include "cluster/text_context.h"

enum { WIDTH = 128, TOKENS = 77, CHUNK = TOKENS * WIDTH }; /* of the starter */

static df_model *model;
static df_prompt_cache *cache;

static int open_all(void **state) {
    (void)state;
    if (df_model_open(&model, DF_SOURCE_DIR "/models/starter", NULL)) return -1;
    const df_prompt_cache_cfg cfg = { .model = model,
                                      .encoder = { DF_TEXT_ENCODER },
                                      .n_encoders = 1,
                                      .embedding_bytes = df_text_context_bytes(model, DF_F32) };
    return df_prompt_cache_open(&cache, &cfg, NULL);
}

static int close_all(void **state) {
    (void)state;
    df_prompt_cache_close(&cache);
    df_model_close(&model);
    return 0;
}

static df_row_text *text_of(const char *text, bool weights, bool chunks) {
    const df_prompt_syntax syntax = { .weights = weights, .chunks = chunks };
    df_row_text *t = NULL;
    df_err err;
    if (df_row_text_new(&t, model, cache, DF_F32, text, &syntax, &err)) fail_msg("%s", err.text);
    return t;
}

/* State k of token i of a prompt whose ids these are. */
static float state_of(const int32_t *ids, int i, int k) {
    return (float)(ids[i] % 50) * 0.01f + (float)k * 0.001f - 0.2f;
}

static void encode_all(void) {
    df_prompt *p;
    while ((p = df_prompt_next(cache, 0))) {
        for (int i = 0; i < CHUNK; i++) ((float *)p->embedding)[i] = state_of(p->ids[0], i / WIDTH, i % WIDTH);
        df_prompt_encoded(cache, p);
    }
}

static float *states_of(df_row_text *t) {
    const df_err *failure = NULL;
    float *x = malloc(sizeof *x * CHUNK * (size_t)df_row_text_chunks(t));
    assert_non_null(x);
    assert_false(df_row_text_is_ready(t, &failure));
    encode_all();
    assert_true(df_row_text_is_ready(t, &failure));
    assert_null(failure);
    df_row_text_write_states(t, x);
    return x;
}

static void plain_text_is_one_prompt(void **state) {
    (void)state;
    df_row_text *t = text_of("a (red:1.3) apple", false, false), *again = text_of("a (red:1.3) apple", false, false);
    df_prompt *same = NULL;
    assert_int_equal(df_prompt_take(cache, "a (red:1.3) apple", &same, NULL), DF_OK);
    float *x = states_of(t);
    assert_memory_equal(x, same->embedding, CHUNK * sizeof *x);
    assert_ptr_equal(df_row_text_pooled(t), same->pooled);
    assert_ptr_equal(df_row_text_pooled(again), same->pooled);
    free(x);
    df_prompt_release(cache, &same);
    df_row_text_free(&again);
    df_row_text_free(&t);
}

static void weights_keep_the_mean(void **state) {
    (void)state;
    df_row_text *t = text_of("apple (apple:1.5) BREAK [apple]", true, true);
    assert_int_equal(df_row_text_chunks(t), 2);
    float *x = states_of(t);
    int32_t ids[2][TOKENS];
    df_err err;
    assert_int_equal(df_model_tokenize(model, DF_TEXT_ENCODER, "apple apple", ids[0], TOKENS, NULL, &err), DF_OK);
    assert_int_equal(df_model_tokenize(model, DF_TEXT_ENCODER, "apple", ids[1], TOKENS, NULL, &err), DF_OK);
    double before = 0, after = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 2 * CHUNK; i++) {
            int chunk = i / CHUNK, token = i % CHUNK / WIDTH;
            double weight = chunk == 0 && token == 2 ? 1.5 : chunk == 1 && token == 1 ? 1 / 1.1 : 1;
            double plain = state_of(ids[chunk], token, i % WIDTH);
            if (pass == 0) {
                before += plain;
                after += plain * weight;
            } else {
                assert_true(fabs(x[i] - plain * weight * before / after) < 1e-6);
            }
        }
    free(x);
    df_row_text_free(&t);
}

static void the_shorter_half_is_padded(void **state) {
    (void)state;
    df_row_text *t = text_of("apple", false, true), *empty = text_of("", false, false);
    df_err err;
    assert_int_equal(df_row_text_pad(t, 3, &err), DF_OK);
    assert_int_equal(df_row_text_chunks(t), 3);
    float *x = states_of(t), *nothing = malloc(CHUNK * sizeof *nothing);
    df_row_text_write_states(empty, nothing);
    assert_memory_equal(x + CHUNK, nothing, CHUNK * sizeof *x);
    assert_memory_equal(x + 2 * CHUNK, nothing, CHUNK * sizeof *x);
    free(nothing);
    free(x);
    df_row_text_free(&empty);
    df_row_text_free(&t);
}

static void bad_weights_are_told(void **state) {
    (void)state;
    const df_prompt_syntax syntax = { .weights = true };
    df_row_text *t = NULL;
    df_err err;
    assert_int_equal(df_row_text_new(&t, model, cache, DF_F32, "(a:1000)", &syntax, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "1000"));
    assert_null(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_one_prompt),
        cmocka_unit_test(weights_keep_the_mean),
        cmocka_unit_test(the_shorter_half_is_padded),
        cmocka_unit_test(bad_weights_are_told),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

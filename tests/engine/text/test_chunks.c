/* Prompts in chunks, with the starter's tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "engine/text/chunks.h"
#include "tests/support/golden.h"

enum { MAX = 77, ROOM = MAX - 2 };

static df_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    (void)state;
    return df_tokenizer_open(&tokenizer, golden_source_path("models/starter/tokenizer"), NULL);
}

static int close_tokenizer(void **state) {
    (void)state;
    df_tokenizer_close(&tokenizer);
    return 0;
}

static df_text_chunks make(const char *text, bool weights, bool chunks) {
    const df_prompt_syntax syntax = { .weights = weights, .chunks = chunks };
    df_text_chunks c;
    df_err err;
    if (df_text_chunks_make(&c, tokenizer, text, MAX, &syntax, &err)) fail_msg("%s", err.text);
    return c;
}

/* Chunk i is what the text alone is laid out as. */
static void check_chunk(const df_text_chunks *c, int i, const char *text) {
    int32_t ids[MAX];
    df_err err;
    assert_int_equal(df_tokenizer_encode(tokenizer, text, ids, MAX, NULL, &err), DF_OK);
    assert_memory_equal(c->ids + i * MAX, ids, sizeof ids);
}

/* "apple apple ..." of n tokens; caller frees. */
static char *apples(int n) {
    df_buf b = { 0 };
    for (int i = 0; i < n; i++) df_buf_puts(&b, "apple ");
    return b.data;
}

static void plain_text_is_laid_out_as_ever(void **state) {
    (void)state;
    char *many = apples(100);
    const char *const texts[] = { "", "a (red:1.3) apple", many };
    for (int i = 0; i < 3; i++) {
        df_text_chunks c = make(texts[i], false, false);
        assert_int_equal(c.n, 1);
        assert_null(c.weights);
        assert_int_equal(c.cut, i == 2);
        check_chunk(&c, 0, texts[i]);
        df_text_chunks_free(&c);
    }
    free(many);
}

static void long_text_fills_chunk_after_chunk(void **state) {
    (void)state;
    static const struct {
        int tokens, chunks, in_last;
    } cases[] = { { 1, 1, 1 }, { ROOM, 1, ROOM }, { ROOM + 1, 2, 1 }, { 2 * ROOM, 2, ROOM }, { 2 * ROOM + 7, 3, 7 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = apples(cases[i].tokens), *last = apples(cases[i].in_last);
        df_text_chunks c = make(text, true, true);
        assert_int_equal(c.n, cases[i].chunks);
        assert_false(c.cut);
        check_chunk(&c, c.n - 1, last);
        df_text_chunks_free(&c);
        free(last);
        free(text);
    }
}

static void the_number_of_chunks_is_limited(void **state) {
    (void)state;
    char *text = apples(DF_TEXT_MAX_CHUNKS * ROOM + 1);
    df_text_chunks c = make(text, false, true);
    assert_int_equal(c.n, DF_TEXT_MAX_CHUNKS);
    assert_true(c.cut);
    df_text_chunks_free(&c);
    free(text);
}

static void breaks_end_a_chunk(void **state) {
    (void)state;
    df_text_chunks c = make("red apple BREAK ghost BREAK BREAK frog BREAK", false, true);
    static const char *const want[] = { "red apple", "ghost", "", "frog" };
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 4; i++) check_chunk(&c, i, want[i]);
    df_text_chunks_free(&c);

    char *full = apples(ROOM);
    df_buf text = { 0 };
    df_buf_printf(&text, "%s BREAK frog", full);
    c = make(text.data, false, true);
    assert_int_equal(c.n, 2); /* a full chunk has ended already */
    check_chunk(&c, 1, "frog");
    df_text_chunks_free(&c);
    df_buf_free(&text);
    free(full);
}

static void tokens_carry_their_weights(void **state) {
    (void)state;
    df_text_chunks c = make("apple (apple:1.5) apple", true, false);
    const float want[] = { 1, 1, 1.5f, 1, 1, 1 };
    assert_int_equal(c.n, 1);
    check_chunk(&c, 0, "apple apple apple");
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) assert_true(c.weights[i] == want[i]);
    df_text_chunks_free(&c);

    char *many = apples(ROOM - 1);
    df_buf text = { 0 };
    df_buf_printf(&text, "%s(apple apple:0.5)", many);
    c = make(text.data, true, true); /* the weighted words lie over the border */
    assert_int_equal(c.n, 2);
    assert_true(c.weights[ROOM] == 0.5f && c.weights[ROOM - 1] == 1 && c.weights[ROOM + 1] == 1);
    assert_true(c.weights[MAX] == 1 && c.weights[MAX + 1] == 0.5f && c.weights[MAX + 2] == 1);
    df_text_chunks_free(&c);
    df_buf_free(&text);
    free(many);

    c = make("((apple))[[[\\(]]]", true, false);
    assert_non_null(c.weights);
    df_text_chunks_free(&c);
    c = make("apple \\(red\\)", true, false);
    assert_null(c.weights);
    check_chunk(&c, 0, "apple (red)");
    df_text_chunks_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_laid_out_as_ever),  cmocka_unit_test(long_text_fills_chunk_after_chunk),
        cmocka_unit_test(the_number_of_chunks_is_limited), cmocka_unit_test(breaks_end_a_chunk),
        cmocka_unit_test(tokens_carry_their_weights),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}

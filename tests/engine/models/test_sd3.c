/* Stable Diffusion 3 as a folder: how many tokens its text has, with the third text encoder and without, and parts that
 * do not fit each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

#include "engine/models/model.h"

enum { CLIP_TOKENS = 77 };

static df_model *open_with(const char *dir, df_model_options how) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open_with(&m, dir, &how, &err)) fail_msg("%s", err.text);
    return m;
}

static void check_text(const char *dir, df_model_options how, int context, bool t5, int t5_tokens) {
    df_model *m = open_with(dir, how);
    assert_int_equal(df_model_info_of(m)->context_tokens, context);
    assert_int_equal(df_model_info_of(m)->max_tokens, CLIP_TOKENS);
    assert_int_equal(df_model_has(m, DF_TEXT_ENCODER_3), t5);
    if (t5) assert_int_equal(df_model_facts(m, DF_TEXT_ENCODER_3)->text.tokens, t5_tokens);
    df_model_close(&m);
}

static void test_tokens(void **state) {
    (void)state;
    const char *dir = golden_path("sd3", "");
    check_text(dir, (df_model_options) { 0 }, CLIP_TOKENS + 256, true, 256);
    check_text(dir, (df_model_options) { .context_tokens = 141 }, 141, true, 64);
    check_text(dir, (df_model_options) { .context_tokens = 30 }, 30, true, 256); /* text of another making */
    check_text(dir, (df_model_options) { .no_t5 = true }, CLIP_TOKENS + 256, false, 0);
}

static void test_without_t5(void **state) {
    (void)state;
    char with[DF_SHA256_HEX_BYTES], without[DF_SHA256_HEX_BYTES];
    const char *dir = model_folder_new("sd3");
    df_model *m = open_with(dir, (df_model_options) { 0 });
    assert_int_equal(df_model_sha256(m, with, NULL), DF_OK);
    df_model_close(&m);
    model_folder_set(dir, "model_index.json", "text_encoder_3", "[null, null]");
    model_folder_set(dir, "model_index.json", "tokenizer_3", "[null, null]");
    model_folder_remove(dir, "text_encoder_3");
    model_folder_remove(dir, "tokenizer_3");
    check_text(dir, (df_model_options) { 0 }, CLIP_TOKENS + 256, false, 0);
    check_text(dir, (df_model_options) { .no_t5 = true }, CLIP_TOKENS + 256, false, 0);
    m = open_with(dir, (df_model_options) { 0 });
    assert_int_equal(df_model_sha256(m, without, NULL), DF_OK);
    assert_string_not_equal(with, without);
    df_model_close(&m);
}

/* What T5 reads counts for the model's hash. */
static void test_hash(void **state) {
    (void)state;
    char before[DF_SHA256_HEX_BYTES], after[DF_SHA256_HEX_BYTES];
    const char *dir = model_folder_new("sd3");
    df_model *m = open_with(dir, (df_model_options) { 0 });
    assert_int_equal(df_model_sha256(m, before, NULL), DF_OK);
    model_folder_write(dir, "tokenizer_3/spiece.model", "other", 5); /* after it was read */
    assert_int_equal(df_model_sha256(m, after, NULL), DF_OK);
    assert_string_not_equal(before, after);
    df_model_close(&m);
}

static void refuses(const char *dir, df_model_options how, const char *says) {
    df_model *m = NULL;
    df_err err = { 0 };
    if (!df_model_open_with(&m, dir, &how, &err)) fail_msg("'%s' was taken", says);
    if (!strstr(err.text, says)) fail_msg("says '%s', not '%s'", err.text, says);
    assert_null(m);
}

static void test_refuses(void **state) {
    static const struct {
        const char *file, *key, *value, *says;
    } cases[] = {
        { "transformer/config.json", "joint_attention_dim", "63", "'joint_attention_dim' is 63" },
        { "transformer/config.json", "pooled_projection_dim", "55", "'pooled_projection_dim'" },
        { "text_encoder_3/config.json", "vocab_size", "1000", "tokenizer_3: 1100 token ids" },
        { "text_encoder_3/config.json", "d_ff", "95", "wi_0.weight" },
        { "model_index.json", "text_encoder_3", "[\"transformers\", \"UMT5EncoderModel\"]", "UMT5EncoderModel" },
        { "model_index.json", "tokenizer_3", "[\"transformers\", \"LlamaTokenizer\"]", "LlamaTokenizer" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *dir = model_folder_new("sd3");
        model_folder_set(dir, cases[i].file, cases[i].key, cases[i].value);
        refuses(dir, (df_model_options) { 0 }, cases[i].says);
    }
}

/* Padding has a width to go up to, which must not be below that of the two encoders. */
static void test_narrow_context(void **state) {
    (void)state;
    const char *dir = model_folder_new("sd3");
    model_folder_set(dir, "transformer/config.json", "joint_attention_dim", "40");
    refuses(dir, (df_model_options) { .no_t5 = true }, "together give 56, which is more");
}

static void test_nothing_to_leave_out(void **state) {
    (void)state;
    refuses(golden_source_path("models/starter"), (df_model_options) { .no_t5 = true }, "has no T5 text encoder");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),         cmocka_unit_test(test_without_t5),
        cmocka_unit_test(test_hash),           cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_narrow_context), cmocka_unit_test(test_nothing_to_leave_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

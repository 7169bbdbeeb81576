/* T5's tokenizer: the golden's ids, special tokens, cutting, hostile text, and folders that are no T5 tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/text/t5_tokenizer.h"
#include "tests/engine/text/spiece_file.h"
#include "tests/support/golden.h"

enum { PAD, END, UNKNOWN };

static df_t5_tokenizer *open_at(const char *dir) {
    df_t5_tokenizer *t = NULL;
    df_err err;
    if (df_t5_tokenizer_open(&t, dir, &err)) fail_msg("%s", err.text);
    return t;
}

/* The tokenizer folders of the goldens are not part of the source tree. */
static df_t5_tokenizer *open_golden(void) {
    const char *dir = golden_path("sd3", "tokenizer_3");
    if (access(dir, R_OK | X_OK)) {
        print_message("%s is not at hand (set DF_GOLDEN to the folder of the cases)\n", dir);
        skip();
    }
    return open_at(dir);
}

static void test_golden(void **state) {
    enum { LENGTH = 128 };
    (void)state;
    df_t5_tokenizer *t = open_golden();
    golden *g = golden_open("sd3");
    const json_t *prompts = json_object_get(golden_json(g), "tokenizer_prompts");
    size_t n;
    int32_t *want = golden_i32(g, "t5.tokenizer.ids", &n), ids[LENGTH];
    assert_int_equal(n, json_array_size(prompts) * LENGTH);
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        const char *text = json_string_value(json_array_get(prompts, i));
        df_err err;
        if (df_t5_tokenizer_encode(t, text, ids, LENGTH, NULL, &err)) fail_msg("%s", err.text);
        for (size_t k = 0; k < LENGTH; k++)
            if (ids[k] != want[i * LENGTH + k])
                fail_msg("'%.60s': id %zu is %d, not %d", text, k, (int)ids[k], (int)want[i * LENGTH + k]);
    }
    free(want);
    golden_close(&g);
    df_t5_tokenizer_close(&t);
}

/* A small model of our own */

static const char *new_folder(const df_buf *model, const char *config) {
    static char dir[4096];
    static int serial;
    char path[4200];
    df_err err;
    snprintf(dir, sizeof dir, "%s/t5_%d", golden_temp_dir(), serial++);
    if (df_file_mkdirs(dir, &err)) fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/spiece.model", dir);
    if (df_file_write(path, model->data, model->len, &err)) fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    if (df_file_write(path, config, strlen(config), &err)) fail_msg("%s", err.text);
    return dir;
}

enum { MARK = 3, MARK_A, B, MARK_AB, N_PIECES };

static df_buf small_model(void) {
    df_buf m = { 0 };
    unsigned char rule[2048];
    spiece_add_piece(&m, "<pad>", 0);
    spiece_add_piece(&m, "</s>", 0);
    spiece_add_piece(&m, "<unk>", 0);
    spiece_add_piece(&m, "\xe2\x96\x81", -3);
    spiece_add_piece(&m,
                     "\xe2\x96\x81"
                     "a",
                     -2);
    spiece_add_piece(&m, "b", -2);
    spiece_add_piece(&m,
                     "\xe2\x96\x81"
                     "ab",
                     -3);
    spiece_add_charsmap(&m, rule, spiece_one_rule(rule));
    return m;
}

static df_t5_tokenizer *open_small(const char *config) {
    df_buf m = small_model();
    df_t5_tokenizer *t = open_at(new_folder(&m, config));
    df_buf_free(&m);
    return t;
}

static void encodes_to(const df_t5_tokenizer *t, const char *text, const int32_t *want, int n) {
    enum { MOST = 32 };
    int32_t ids[MOST];
    int got;
    df_err err;
    if (df_t5_tokenizer_encode(t, text, ids, MOST, &got, &err)) fail_msg("%s", err.text);
    if (got != n + 1) fail_msg("'%s': %d tokens, not %d and the end", text, got, n);
    for (int i = 0; i < MOST; i++) {
        int expected = i < n ? (int)want[i] : i == n ? END : PAD;
        if (ids[i] != expected) fail_msg("'%s': id %d is %d, not %d", text, i, (int)ids[i], expected);
    }
}
#define IDS(...) (int32_t[]) { __VA_ARGS__ }, sizeof((int32_t[]) { __VA_ARGS__ }) / sizeof(int32_t)

static void test_words(void **state) {
    (void)state;
    df_t5_tokenizer *t = open_small("{\"extra_ids\": 2}");
    assert_int_equal(df_t5_tokenizer_vocab_size(t), N_PIECES + 2);
    encodes_to(t, "", NULL, 0);
    encodes_to(t, " \t\n\xe3\x80\x80", NULL, 0);
    encodes_to(t, "ab b", IDS(MARK_AB, MARK, B)); /* -3 against -4 in two */
    encodes_to(t, "  AB\n", IDS(MARK_A, UNKNOWN)); /* the rule is for A alone */
    encodes_to(t, "bxyzb", IDS(MARK, B, UNKNOWN, B)); /* unknown neighbours are one token */
    encodes_to(t,
               "a\xe2\x96\x81"
               "ab",
               IDS(MARK_A, MARK_AB)); /* a mark in the text begins a word */
    encodes_to(t,
               "\xe2\x96\x81"
               "a",
               IDS(MARK_A));
    df_t5_tokenizer_close(&t);
}

static void test_special_tokens(void **state) {
    (void)state;
    df_t5_tokenizer *t = open_small("{\"extra_ids\": 2}");
    encodes_to(t, "a<unk>b", IDS(MARK_A, UNKNOWN, MARK, B)); /* what follows is a text of its own */
    encodes_to(t, "<pad></s>", IDS(PAD, END));
    encodes_to(t, "<extra_id_0>a <extra_id_1>", IDS(N_PIECES + 1, MARK_A, N_PIECES)); /* the last one comes first */
    encodes_to(t, "<extra_id_2>", IDS(MARK, UNKNOWN));
    encodes_to(t, "<a<pad>", IDS(MARK, UNKNOWN, PAD)); /* 'a' without a mark is no piece */
    df_t5_tokenizer_close(&t);
}

static void test_cut(void **state) {
    (void)state;
    df_t5_tokenizer *t = open_small("{}");
    int32_t ids[3];
    int n;
    assert_int_equal(df_t5_tokenizer_encode(t, "a a a", ids, 3, &n, NULL), DF_OK);
    assert_int_equal(n, 4);
    assert_int_equal(ids[0], MARK_A);
    assert_int_equal(ids[1], MARK_A);
    assert_int_equal(ids[2], END);
    assert_int_equal(df_t5_tokenizer_encode(t, "a a", ids, 3, &n, NULL), DF_OK);
    assert_int_equal(n, 3);
    assert_int_equal(df_t5_tokenizer_encode(t, "a", ids, 0, &n, NULL), DF_EINVAL);
    df_t5_tokenizer_close(&t);
}

static void test_any_bytes(void **state) {
    (void)state;
    df_t5_tokenizer *t = open_small("{}");
    encodes_to(t, "\xff\xfe", IDS(MARK, UNKNOWN));
    encodes_to(t, "a\xc3", IDS(MARK_A, UNKNOWN));
    encodes_to(t, "\xed\xa0\x80 b", IDS(MARK, UNKNOWN, MARK, B));
    df_t5_tokenizer_close(&t);
}

static void test_a_megabyte_is_quick(void **state) {
    enum { BYTES = 1 << 20 };
    static const char *const units[] = { "b", "<", "\xcc\x81", "a ", "\xe2\x96\x81" };
    (void)state;
    df_t5_tokenizer *t = open_small("{}");
    char *text = malloc(BYTES + 1);
    assert_non_null(text);
    for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
        size_t unit = strlen(units[k]), n = BYTES / unit * unit;
        int32_t ids[4];
        for (size_t i = 0; i < n; i++) text[i] = units[k][i % unit];
        text[n] = '\0';
        int64_t begin = df_clock_ms();
        assert_int_equal(df_t5_tokenizer_encode(t, text, ids, 4, NULL, NULL), DF_OK);
        assert_true(df_clock_ms() - begin < 10000); /* a fraction of a second; minutes if it were quadratic */
    }
    free(text);
    df_t5_tokenizer_close(&t);
}

/* Folders */

static void refuses(const df_buf *model, const char *config, df_code code, const char *says) {
    df_t5_tokenizer *t = NULL;
    df_err err = { 0 };
    df_code rc = df_t5_tokenizer_open(&t, new_folder(model, config), &err);
    assert_null(t);
    if (rc != code || !strstr(err.text, says)) fail_msg("not '%s': %s, %s", says, df_code_name(rc), err.text);
}

static void test_configs(void **state) {
    (void)state;
    df_buf m = small_model();
    static const struct {
        const char *config, *says;
    } cases[] = {
        { "{\"tokenizer_class\": \"LlamaTokenizer\"}", "LlamaTokenizer" },
        { "{\"eos_token\": \"<end>\"}", "eos_token" },
        { "{\"pad_token\": {\"content\": \"<unk>\"}}", "pad_token" },
        { "{\"extra_ids\": 3, \"additional_special_tokens\": [\"<extra_id_3>\"]}", "additional_special_tokens" },
        { "{\"additional_special_tokens\": [\"<extra_id_1>x\"]}", "additional_special_tokens" },
        { "{\"added_tokens_decoder\": {\"9\": {\"content\": \"<mine>\"}}}", "<mine>" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(&m, cases[i].config, DF_EUNSUPPORTED, cases[i].says);
    refuses(&m, "{\"extra_ids\": -1}", DF_EINVAL, "extra_ids");
    refuses(&m, "[]", DF_EFORMAT, "not a JSON object");
    df_t5_tokenizer *t =
        open_small("{\"extra_ids\": 1, \"eos_token\": {\"content\": \"</s>\"}, \"additional_special_tokens\": "
                   "[\"<extra_id_0>\"], \"added_tokens_decoder\": {\"0\": {\"content\": \"<pad>\"}}}");
    df_t5_tokenizer_close(&t);
    df_buf_free(&m);
}

static void test_missing_pieces(void **state) {
    (void)state;
    df_buf m = { 0 };
    spiece_add_piece(&m, "<unk>", 0);
    refuses(&m, "{}", DF_EFORMAT, "<pad>");
    spiece_add_piece(&m, "<pad>", 0);
    refuses(&m, "{}", DF_EFORMAT, "</s>");
    spiece_add_piece(&m, "<unk>", 0);
    refuses(&m, "{}", DF_EFORMAT, "both '<unk>'");
    df_buf_free(&m);
}

static void test_missing_model(void **state) {
    (void)state;
    df_t5_tokenizer *t = NULL;
    df_err err = { 0 };
    assert_int_equal(df_t5_tokenizer_open(&t, golden_temp_dir(), &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "spiece.model"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_words),
        cmocka_unit_test(test_special_tokens), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_any_bytes),      cmocka_unit_test(test_a_megabyte_is_quick),
        cmocka_unit_test(test_configs),        cmocka_unit_test(test_missing_pieces),
        cmocka_unit_test(test_missing_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

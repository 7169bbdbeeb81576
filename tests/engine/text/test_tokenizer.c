#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/config/json_config.h"
#include "engine/text/tokenizer.h"
#include "tests/support/golden.h"

enum { LENGTH = 77 };

static df_tokenizer *open_at(const char *dir) {
    df_tokenizer *t = NULL;
    df_err err;
    if (df_tokenizer_open(&t, dir, &err)) fail_msg("%s", err.text);
    return t;
}

static df_tokenizer *open_starter(void) {
    return open_at(golden_source_path("models/starter/tokenizer"));
}

/* The tokenizer folders of the goldens are not part of the source tree. */
static df_tokenizer *open_golden(const char *name, const char *folder) {
    const char *dir = golden_path(name, folder);
    if (access(dir, R_OK | X_OK)) {
        print_message("%s is not at hand (set DF_GOLDEN to the folder of the cases)\n", dir);
        skip();
    }
    return open_at(dir);
}

static void check(const df_tokenizer *t, const char *text, const int32_t *want, int n_wanted) {
    int32_t ids[LENGTH];
    int n;
    df_err err;
    if (df_tokenizer_encode(t, text, ids, LENGTH, &n, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < LENGTH; i++)
        if (ids[i] != want[i]) fail_msg("'%.60s': id %d is %d, not %d", text, i, (int)ids[i], (int)want[i]);
    if (n_wanted && (n_wanted < LENGTH ? n != n_wanted : n < LENGTH))
        fail_msg("'%.60s': %d tokens, not %d", text, n, n_wanted);
}

/* against the reference */

static void starter_ids(void **state) {
    (void)state;
    df_tokenizer *t = open_starter();
    json_t *tokens;
    df_err err;
    if (df_json_load(&tokens, golden_source_path("tests/golden/starter_reference/tokens.json"), &err))
        fail_msg("%s", err.text);
    const json_t *prompts = json_object_get(tokens, "prompts"), *ids = json_object_get(tokens, "ids");
    assert_true(json_array_size(prompts) > 5 && json_array_size(prompts) == json_array_size(ids));
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        int32_t want[LENGTH];
        for (int k = 0; k < LENGTH; k++)
            want[k] = (int32_t)json_integer_value(json_array_get(json_array_get(ids, i), (size_t)k));
        check(t, json_string_value(json_array_get(prompts, i)), want, 0);
    }
    assert_int_equal(df_tokenizer_max_length(t), LENGTH);
    assert_int_equal(df_tokenizer_vocab_size(t), 3114);
    json_decref(tokens);
    df_tokenizer_close(&t);
    assert_null(t);
}

static void compare_prompts(const golden *g, const df_tokenizer *t, const json_t *prompts, const char *tensor,
                            const char *lengths_tensor) {
    size_t n, n_lengths = 0;
    int32_t *ids = golden_i32(g, tensor, &n),
            *lengths = lengths_tensor ? golden_i32(g, lengths_tensor, &n_lengths) : NULL;
    assert_int_equal(n, json_array_size(prompts) * LENGTH);
    for (size_t i = 0; i < json_array_size(prompts); i++)
        check(t, json_string_value(json_array_get(prompts, i)), ids + i * LENGTH, lengths ? lengths[i] : 0);
    free(ids);
    free(lengths);
}

static void full_vocabulary(void **state) {
    (void)state;
    df_tokenizer *t = open_golden("sd15", "tokenizer");
    golden *g = golden_open("sd15");
    const json_t *about = golden_json(g), *prompts = json_object_get(about, "tokenizer_prompts");
    assert_int_equal(json_array_size(prompts), 69);
    compare_prompts(g, t, prompts, "tokenizer.ids", "tokenizer.lengths");
    compare_prompts(g, t, json_object_get(about, "prompts"), "text.ids", NULL);
    assert_int_equal(df_tokenizer_vocab_size(t), 49408);
    golden_close(&g);
    df_tokenizer_close(&t);
}

/* Cut vocabularies; the second of each pair pads with "!", which is a special token then: "!!!" is three of them. */
static void cut_vocabularies(void **state) {
    (void)state;
    static const struct {
        const char *name, *folder, *tensor;
    } cases[] = { { "sd2", "tokenizer", "text.ids" },
                  { "sdxl", "tokenizer", "text1.ids" },
                  { "sdxl", "tokenizer_2", "text2.ids" },
                  { "sd3", "tokenizer", "text1.ids" },
                  { "sd3", "tokenizer_2", "text2.ids" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_tokenizer *t = open_golden(cases[i].name, cases[i].folder);
        golden *g = golden_open(cases[i].name);
        compare_prompts(g, t, json_object_get(golden_json(g), "prompts"), cases[i].tensor, NULL);
        golden_close(&g);
        df_tokenizer_close(&t);
    }
}

/* a vocabulary small enough to follow by hand */

static const char *small_tokenizer(const char *vocab, const char *merges, const char *map, const char *config) {
    static int serial;
    static char dir[300];
    char path[400];
    df_err err;
    const struct {
        const char *name, *text;
    } files[] = { { "vocab.json", vocab },
                  { "merges.txt", merges },
                  { "special_tokens_map.json", map },
                  { "tokenizer_config.json", config } };
    snprintf(dir, sizeof dir, "%s/tokenizer%d", golden_temp_dir(), serial++);
    assert_int_equal(mkdir(dir, 0777), 0);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        if (files[i].text && df_file_write(path, files[i].text, strlen(files[i].text), &err)) fail_msg("%s", err.text);
    }
    return dir;
}

static const char small_vocab[] =
    "{\"a\": 0, \"b\": 1, \"a</w>\": 2, \"b</w>\": 3, \"aa\": 4, \"ab\": 5, \"aa</w>\": 6, "
    "\"aaa\": 7, \"<|startoftext|>\": 8, \"<|endoftext|>\": 9, \"ab</w>\": 10, \"<x>\": 11, "
    "\"<x>y\": 12}";
static const char small_merges[] = "#version: 0.2\na a\na b\naa a\na b</w>\r\na a</w>\n";

static void encodes_to(const char *dir, const char *text, const int32_t *want, int n) {
    df_tokenizer *t = open_at(dir);
    int32_t ids[32];
    int n_tokens;
    df_err err;
    if (df_tokenizer_encode(t, text, ids, 32, &n_tokens, &err)) fail_msg("%s", err.text);
    if (n_tokens != n + 2) fail_msg("'%s': %d tokens, not %d", text, n_tokens, n + 2);
    assert_int_equal(ids[0], 8);
    for (int i = 0; i < n; i++)
        if (ids[1 + i] != want[i]) fail_msg("'%s': token %d is %d, not %d", text, i, (int)ids[1 + i], (int)want[i]);
    for (int i = n + 1; i < 32; i++) assert_int_equal(ids[i], 9);
    df_tokenizer_close(&t);
}

static void merges_by_rank_then_place(void **state) {
    (void)state;
    const char *dir = small_tokenizer(small_vocab, small_merges, NULL, NULL);
    encodes_to(dir, "a", (int32_t[]) { 2 }, 1);
    encodes_to(dir, "aa", (int32_t[]) { 6 }, 1); /* a a</w> */
    encodes_to(dir, "aaa", (int32_t[]) { 4, 2 }, 2); /* aa a</w>: no merge for that pair */
    encodes_to(dir, "aaaa", (int32_t[]) { 7, 2 }, 2); /* aa a -> aaa, then a</w> */
    encodes_to(dir, "aaab", (int32_t[]) { 7, 3 }, 2); /* the best pair is joined first, leftmost first */
    encodes_to(dir, "AB ab", (int32_t[]) { 10, 10 }, 2);
    encodes_to(dir, "aba", (int32_t[]) { 5, 2 }, 2);
    encodes_to(dir, "acb", (int32_t[]) { 0, 9, 3 }, 3); /* a byte without a symbol is unknown, each on its own */
    encodes_to(dir, "\xf0\x9f\x98\x80", (int32_t[]) { 9, 9, 9, 9 }, 4);
}

static void special_tokens_come_first(void **state) {
    (void)state;
    const char *dir = small_tokenizer(small_vocab, small_merges,
                                      "{\"pad_token\": {\"content\": \"<|endoftext|>\", \"lstrip\": false}, "
                                      "\"additional_special_tokens\": [\"<x>\", {\"content\": \"<x>y\"}]}",
                                      "{\"added_tokens_decoder\": {\"8\": {\"content\": \"<|startoftext|>\"}}}");
    encodes_to(dir, "a<|startoftext|>b", (int32_t[]) { 2, 8, 3 }, 3);
    encodes_to(dir, "<|endoftext|>", (int32_t[]) { 9 }, 1);
    encodes_to(dir, "<x>y<x>", (int32_t[]) { 12, 11 }, 2); /* the longest at a place */
    encodes_to(dir, "<X>", (int32_t[]) { 9, 9, 9 }, 3); /* the raw text counts, not its lower case */
    encodes_to(dir, "<|endoftext|", (int32_t[]) { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 }, 12);
}

static void long_prompts_are_cut(void **state) {
    (void)state;
    df_tokenizer *t = open_at(small_tokenizer(small_vocab, small_merges, NULL, NULL));
    int32_t ids[5];
    int n;
    assert_int_equal(df_tokenizer_encode(t, "a b a b a b", ids, 5, &n, NULL), DF_OK);
    assert_int_equal(n, 8);
    static const int32_t want[] = { 8, 2, 3, 2, 9 };
    assert_memory_equal(ids, want, sizeof want);
    assert_int_equal(df_tokenizer_encode(t, "a", ids, 2, NULL, NULL), DF_OK);
    assert_true(ids[0] == 8 && ids[1] == 9);
    assert_int_equal(df_tokenizer_encode(t, "a", ids, 1, NULL, NULL), DF_EINVAL);
    df_tokenizer_close(&t);
}

static void broken_folders_are_named(void **state) {
    (void)state;
    static const struct {
        const char *vocab, *merges, *map, *config, *says;
        df_code code;
    } cases[] = {
        { NULL, small_merges, NULL, NULL, "vocab.json", DF_ENOTFOUND },
        { small_vocab, NULL, NULL, NULL, "merges.txt", DF_ENOTFOUND },
        { "[1]", small_merges, NULL, NULL, "vocab.json", DF_EFORMAT },
        { "{\"a\": 1.5}", small_merges, NULL, NULL, "vocab.json: the id of 'a'", DF_EFORMAT },
        { "{\"a\": -1}", small_merges, NULL, NULL, "vocab.json: the id of 'a'", DF_EFORMAT },
        { "{\"a\": 99999999999}", small_merges, NULL, NULL, "vocab.json: the id of 'a'", DF_EFORMAT },
        { "{\"a\": 1}", small_merges, NULL, NULL, "'<|startoftext|>'", DF_EUNSUPPORTED },
        { small_vocab, "#version: 0.2\na a\na c\n", NULL, NULL, "merges.txt: line 3", DF_EFORMAT },
        { small_vocab, "a a\n\naa\n", NULL, NULL, "merges.txt: line 3", DF_EFORMAT },
        { small_vocab, "a a a\n", NULL, NULL, "merges.txt: line 1", DF_EFORMAT },
        { small_vocab, small_merges, "{\"pad_token\": \"!\"}", NULL, "special_tokens_map.json: 'pad_token'",
          DF_EUNSUPPORTED },
        { small_vocab, small_merges, "{\"pad_token\": 7}", NULL, "special_tokens_map.json: 'pad_token'", DF_EFORMAT },
        { small_vocab, small_merges, "{\"pad_token\": \"\"}", NULL, "'pad_token'", DF_EFORMAT },
        { small_vocab, small_merges, "7", NULL, "special_tokens_map.json", DF_EFORMAT },
        { small_vocab, small_merges, NULL, "{\"tokenizer_class\": \"T5Tokenizer\"}", "tokenizer_class",
          DF_EUNSUPPORTED },
        { small_vocab, small_merges, NULL, "{\"model_max_length\": 1}", "model_max_length", DF_EINVAL },
        { small_vocab, small_merges, NULL, "{\"model_max_length\": NaN}", "model_max_length", DF_EINVAL },
        { small_vocab, small_merges, NULL, "{\"do_lower_case\": false}", "do_lower_case", DF_EUNSUPPORTED },
        { small_vocab, small_merges, NULL, "{\"added_tokens_decoder\": {\"3\": {\"content\": \"<x>\"}}}",
          "added_tokens_decoder", DF_EUNSUPPORTED },
        { small_vocab, small_merges, NULL, "{\"bos_token\": {\"content\": \"<x>\", \"single_word\": true}}",
          "single_word", DF_EUNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_tokenizer *t = NULL;
        df_err err = { 0 };
        const char *dir = small_tokenizer(cases[i].vocab, cases[i].merges, cases[i].map, cases[i].config);
        df_code rc = df_tokenizer_open(&t, dir, &err);
        if (rc != cases[i].code || !strstr(err.text, cases[i].says) || t)
            fail_msg("case %zu gave %s: %s", i, df_code_name(rc), err.text);
    }
    df_tokenizer *t = open_at(
        small_tokenizer(small_vocab, small_merges, NULL, "{\"model_max_length\": 1000000000000000019884624838656}"));
    assert_int_equal(df_tokenizer_max_length(t), 77);
    df_tokenizer_close(&t);
}

/* robustness */

static uint32_t random_bits(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* Any bytes give ids inside the vocabulary, framed by start and end. */
static void takes_any_bytes(void **state) {
    (void)state;
    df_tokenizer *t = open_starter();
    int vocab_size = df_tokenizer_vocab_size(t);
    uint64_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        char text[200];
        size_t n = random_bits(&seed) % sizeof text;
        for (size_t i = 0; i < n; i++) { /* bytes of all kinds, many of them near to being UTF-8 */
            uint32_t r = random_bits(&seed);
            text[i] = (char)(r % 3 == 0 ? 1 + r / 3 % 255 : r % 3 == 1 ? 0x80 | (r / 3 & 0x7f) : 'a' + r / 3 % 26);
        }
        text[n ? n - 1 : 0] = '\0';
        int32_t ids[LENGTH];
        int n_tokens;
        df_err err;
        if (df_tokenizer_encode(t, text, ids, LENGTH, &n_tokens, &err)) fail_msg("%s", err.text);
        assert_true(n_tokens >= 2 && (size_t)n_tokens <= 3 * n + 2);
        int last = n_tokens < LENGTH ? n_tokens - 1 : LENGTH - 1;
        assert_true(ids[0] == 3112 && ids[last] == 3113);
        for (int i = 0; i < LENGTH; i++) assert_true(ids[i] >= 0 && ids[i] < vocab_size);
    }
    df_tokenizer_close(&t);
}

/* A megabyte of each kind takes a moment, not hours; each of these once was, or could be, quadratic. */
static void a_megabyte_is_quick(void **state) {
    (void)state;
    static const char *const patterns[] = { "x",
                                            "picture of a cat ",
                                            "\xcc\x82\xcc\xa3",
                                            "\xff",
                                            "<|endoftext|>",
                                            "<|end",
                                            "'",
                                            "\xf0\x9f\x98\x80",
                                            "\xc4\xb0",
                                            "1",
                                            "ab" };
    enum { BYTES = 1 << 20 };
    df_tokenizer *t = open_starter();
    char *text = malloc(BYTES + 16);
    assert_non_null(text);
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        size_t unit = strlen(patterns[p]), n = 0;
        for (; n + unit <= BYTES; n += unit) memcpy(text + n, patterns[p], unit);
        text[n] = '\0';
        int32_t ids[LENGTH];
        int n_tokens;
        df_err err;
        int64_t begin = df_clock_ms();
        if (df_tokenizer_encode(t, text, ids, LENGTH, &n_tokens, &err)) fail_msg("%s", err.text);
        int64_t took = df_clock_ms() - begin;
        assert_true(n_tokens > LENGTH && ids[LENGTH - 1] == 3113);
        if (took > 15000) fail_msg("a megabyte of '%s' took %lld ms", patterns[p], (long long)took);
    }
    free(text);
    df_tokenizer_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starter_ids),
        cmocka_unit_test(full_vocabulary),
        cmocka_unit_test(cut_vocabularies),
        cmocka_unit_test(merges_by_rank_then_place),
        cmocka_unit_test(special_tokens_come_first),
        cmocka_unit_test(long_prompts_are_cut),
        cmocka_unit_test(broken_folders_are_named),
        cmocka_unit_test(takes_any_bytes),
        cmocka_unit_test(a_megabyte_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Textual inversion files: which token and which vectors they give, what a model makes of them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "engine/adapters/embedding.h"
#include "engine/models/model.h"
#include "tests/support/golden.h"

enum { WIDTH = 128, TOKENS = 77 }; /* of the starter's text encoder */

static float numbers[80 * 256];

typedef struct tensor {
    const char *name;
    int64_t n, width; /* n 0: of rank 1 */
} tensor;

/* A file of these tensors; the path stays until the next one of that name. */
static const char *file_of(const char *name, const tensor *t, int n) {
    static char path[4096];
    df_err err;
    df_safetensors_writer *w = df_safetensors_writer_new();
    snprintf(path, sizeof path, "%s/%s", golden_temp_dir(), name);
    for (int i = 0; i < n; i++) {
        const int64_t dim[] = { t[i].n ? t[i].n : t[i].width, t[i].width };
        assert_int_equal(
            df_safetensors_writer_add(w, t[i].name, DF_F32, dim, t[i].n ? 2 : 1, numbers + i * WIDTH, &err), DF_OK);
    }
    assert_int_equal(df_safetensors_writer_write(w, path, &err), DF_OK);
    df_safetensors_writer_free(&w);
    return path;
}

static df_embedding *open_file(const char *name, const tensor *t, int n, const char *token) {
    df_embedding *e = NULL;
    df_err err;
    if (df_embedding_open(&e, file_of(name, t, n), token, &err)) fail_msg("%s", err.text);
    return e;
}

static void layouts_name_their_token(void **state) {
    (void)state;
    static const tensor diffusers = { "<cat>", 3, WIDTH }, a1111 = { "emb_params", 1, WIDTH },
                        sdxl[] = { { "clip_l", 2, WIDTH }, { "clip_g", 2, 160 } };
    df_embedding *e = open_file("x.safetensors", &diffusers, 1, NULL);
    assert_string_equal(df_embedding_token(e), "<cat>");
    assert_int_equal(df_embedding_vectors(e, 0, WIDTH).n, 3);
    assert_null(df_embedding_vectors(e, 0, 64).tensor);
    df_embedding_close(&e);
    e = open_file("bad-hands.safetensors", &a1111, 1, NULL);
    assert_string_equal(df_embedding_token(e), "bad-hands");
    df_embedding_close(&e);
    e = open_file("bad-hands.safetensors", &a1111, 1, "<hand>");
    assert_string_equal(df_embedding_token(e), "<hand>");
    df_embedding_close(&e);
    e = open_file("xl.safetensors", sdxl, 2, NULL);
    assert_string_equal(df_embedding_token(e), "xl");
    assert_string_equal(df_embedding_vectors(e, 0, WIDTH).tensor->name, "clip_l");
    assert_string_equal(df_embedding_vectors(e, 1, 160).tensor->name, "clip_g");
    assert_null(df_embedding_vectors(e, 1, WIDTH).tensor);
    df_embedding_close(&e);
}

static void refused_file(const tensor *t, int n, const char *why) {
    df_embedding *e = NULL;
    df_err err;
    assert_int_not_equal(df_embedding_open(&e, file_of("no.safetensors", t, n), NULL, &err), DF_OK);
    if (!strstr(err.text, why) || !strstr(err.text, "no.safetensors"))
        fail_msg("'%s' does not tell: %s", err.text, why);
    assert_null(e);
}

static void bad_files_are_told(void **state) {
    (void)state;
    static const tensor two[] = { { "a", 1, 8 }, { "b", 1, 8 } }, many = { "a", 76, 8 },
                        uneven[] = { { "clip_l", 2, 8 }, { "clip_g", 3, 8 } }, one = { "a", 1, 8 };
    refused_file(two, 2, "2 tensors");
    refused_file(&many, 1, "76 vectors");
    refused_file(uneven, 2, "vectors in one tensor");
    numbers[3] = NAN;
    refused_file(&one, 1, "number 3 is not finite");
    numbers[3] = 0;
}

static df_code open_model(df_model **m, const df_adapter_use *use, int n, df_err *err) {
    const df_model_options how = { .adapters = use, .n_adapters = n };
    return df_model_open_with(m, golden_source_path("models/starter"), &how, err);
}

static void tokenize(const df_model *m, const char *text, int32_t *ids) {
    df_err err;
    if (df_model_tokenize(m, DF_TEXT_ENCODER, text, ids, TOKENS, NULL, &err)) fail_msg("%s", err.text);
}

static void a_model_learns_words(void **state) {
    (void)state;
    static const tensor cat = { "<Cat-Toy>", 2, WIDTH }, dog = { "emb_params", 0, WIDTH };
    char path[2][4096];
    int32_t ids[TOKENS];
    df_model *plain = NULL, *m = NULL;
    df_err err;
    for (int i = 0; i < 3 * WIDTH; i++) numbers[i] = (float)(i + 1);
    snprintf(path[0], sizeof path[0], "%s", file_of("cat.safetensors", &cat, 1));
    snprintf(path[1], sizeof path[1], "%s", file_of("dog.safetensors", &dog, 1));
    const df_adapter_use use[] = { { .kind = DF_ADAPTER_EMBEDDING, .path = path[0] },
                                   { .kind = DF_ADAPTER_EMBEDDING, .path = path[1], .name = "zqdog" } };
    if (open_model(&plain, NULL, 0, &err) || open_model(&m, use, 2, &err)) fail_msg("%s", err.text);
    int32_t first = df_tokenizer_vocab_size(df_model_tokenizer(plain));
    tokenize(m, "a<cat-toy> , ZQDOG", ids);
    assert_int_equal(ids[2], first);
    assert_int_equal(ids[3], first + 1);
    assert_int_equal(ids[5], first + 2);
    tokenize(m, "<cat-toy>_1", ids);
    assert_int_equal(ids[1], first + 1);

    int64_t dim[] = { first + 3, WIDTH };
    float *table = malloc((size_t)(dim[0] * WIDTH) * sizeof *table);
    float *before = malloc((size_t)(first * WIDTH) * sizeof *before);
    const char *name = "text_model.embeddings.token_embedding.weight";
    assert_non_null(table);
    assert_non_null(before);
    assert_int_equal(df_model_facts(m, DF_TEXT_ENCODER)->text.vocab, dim[0]);
    assert_int_equal(df_weights_read_f32(df_model_weights(m, DF_TEXT_ENCODER), name, dim, 2, table, &err), DF_OK);
    dim[0] = df_model_facts(plain, DF_TEXT_ENCODER)->text.vocab;
    assert_int_equal(dim[0], first);
    assert_int_equal(df_weights_read_f32(df_model_weights(plain, DF_TEXT_ENCODER), name, dim, 2, before, &err), DF_OK);
    assert_memory_equal(table, before, (size_t)(first * WIDTH) * sizeof *table);
    for (int i = 0; i < 2 * WIDTH; i++) assert_true(table[first * WIDTH + i] == (float)(i + 1));
    for (int i = 0; i < WIDTH; i++) assert_true(table[(first + 2) * WIDTH + i] == (float)(i + 1));
    free(before);
    free(table);
    df_model_close(&m);
    df_model_close(&plain);
}

static void refused_model(const df_adapter_use *use, int n, const char *why) {
    df_model *m = NULL;
    df_err err;
    assert_int_not_equal(open_model(&m, use, n, &err), DF_OK);
    if (!strstr(err.text, why)) fail_msg("'%s' does not tell: %s", err.text, why);
}

static void what_does_not_fit_is_told(void **state) {
    (void)state;
    static const tensor narrow = { "<cat>", 1, 64 }, xl[] = { { "clip_l", 1, WIDTH }, { "clip_g", 1, 160 } },
                        known = { "apple", 1, WIDTH }, twice = { "<cat>", 1, WIDTH };
    df_adapter_use use[2] = { { .kind = DF_ADAPTER_EMBEDDING, .path = file_of("no.safetensors", &narrow, 1) } };
    refused_model(use, 1, "'<cat>' has vectors of width 64, the model's text takes 128");
    file_of("no.safetensors", xl, 2);
    refused_model(use, 1, "'clip_g' has vectors of width 160");
    file_of("no.safetensors", &known, 1);
    refused_model(use, 1, "'apple' is a word of the vocabulary");
    use[0].name = "a b";
    refused_model(use, 1, "must be one word");
    use[0].name = NULL;
    file_of("no.safetensors", &twice, 1);
    use[1] = use[0];
    refused_model(use, 2, "no.safetensors");
    use[0].sha256 = "00";
    refused_model(use, 1, "has changed since");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_name_their_token),
        cmocka_unit_test(bad_files_are_told),
        cmocka_unit_test(a_model_learns_words),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

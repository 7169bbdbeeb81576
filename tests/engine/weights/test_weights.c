#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/weights/weights.h"
#include "tests/support/golden.h"

static const float numbers[4] = { 1, 2, 3, 4 };
static char path_text[4400];

static const char *in(const char *dir, const char *name) {
    snprintf(path_text, sizeof path_text, "%s/%s", dir, name);
    return path_text;
}

/* A file with tensors of four numbers each; `names` ends with NULL. */
static void put_tensors(const char *dir, const char *file, const char *const *names, const int64_t *dim, int rank) {
    df_safetensors_writer *w = df_safetensors_writer_new();
    for (; *names; names++)
        assert_int_equal(df_safetensors_writer_add(w, *names, DF_F32, dim, rank, numbers, NULL), DF_OK);
    assert_int_equal(df_safetensors_writer_write(w, in(dir, file), NULL), DF_OK);
    df_safetensors_writer_free(&w);
}

static void put_text(const char *dir, const char *file, const char *text) {
    assert_int_equal(df_file_write(in(dir, file), text, strlen(text), NULL), DF_OK);
}

static const int64_t square[2] = { 2, 2 };

static void opens_by_order_of_layout(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_weights *w = NULL;
    df_err err;
    put_tensors(dir, "m.fp16.safetensors", (const char *[]) { "variant", NULL }, square, 2);
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    assert_non_null(df_weights_find(w, "variant"));
    df_weights_close(&w);

    put_tensors(dir, "m.safetensors", (const char *[]) { "plain", "other", NULL }, square, 2);
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    assert_non_null(df_weights_find(w, "plain"));
    assert_null(df_weights_find(w, "variant"));
    assert_int_equal(df_weights_parameters(w), 8);
    assert_int_equal(df_weights_bytes(w), 32);
    assert_int_equal(df_weights_n_files(w), 1);
    assert_string_equal(df_weights_file(w, 0), in(dir, "m.safetensors"));
    df_weights_close(&w);
    assert_null(w);
}

/* Pages of files in this process's memory. */
static long file_pages(void) {
    long all, resident, shared;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld %ld", &all, &resident, &shared), 3);
    fclose(f);
    return shared;
}

/* A model that is being packed must not be in memory twice. */
static void forgets_what_it_has_read(void **state) {
    (void)state;
    enum { SIDE = 2048 };
    const int64_t dim[2] = { SIDE, SIDE };
    const long tensor_pages = SIDE * SIDE * (long)sizeof(float) / sysconf(_SC_PAGESIZE);
    const char *dir = golden_temp_dir();
    float *x = calloc(SIDE * SIDE, sizeof *x);
    df_safetensors_writer *writer = df_safetensors_writer_new();
    df_weights *w = NULL;
    assert_non_null(x);
    x[SIDE * SIDE - 1] = 7;
    assert_int_equal(df_safetensors_writer_add(writer, "a", DF_F32, dim, 2, x, NULL), DF_OK);
    assert_int_equal(df_safetensors_writer_add(writer, "b", DF_F32, dim, 2, x, NULL), DF_OK);
    assert_int_equal(df_safetensors_writer_write(writer, in(dir, "m.safetensors"), NULL), DF_OK);
    df_safetensors_writer_free(&writer);
    assert_int_equal(df_weights_open(&w, dir, "m", NULL), DF_OK);
    long before = file_pages();
    for (int again = 0; again < 2; again++)
        for (const char *name = "ab"; *name; name++) {
            char one[2] = { *name, 0 };
            x[SIDE * SIDE - 1] = 0;
            assert_int_equal(df_weights_read_f32(w, one, dim, 2, x, NULL), DF_OK);
            assert_true(x[SIDE * SIDE - 1] == 7);
            assert_true(file_pages() - before < tensor_pages / 4);
        }
    df_weights_close(&w);
    free(x);
}

static void opens_shards(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    put_tensors(dir, "m-1.safetensors", (const char *[]) { "b", "d", NULL }, square, 2);
    put_tensors(dir, "m-2.safetensors", (const char *[]) { "a", "c", "not in the index", NULL }, square, 2);
    put_text(
        dir, "m.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 64}, \"weight_map\": {\"b\": \"m-1.safetensors\", \"c\": \"m-2.safetensors\","
        " \"a\": \"m-2.safetensors\", \"d\": \"m-1.safetensors\"}}");
    df_weights *w = NULL;
    df_err err;
    float got[4];
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    assert_int_equal(df_weights_n_files(w), 2);
    assert_int_equal(df_weights_parameters(w), 16);
    for (const char *name = "abcd"; *name; name++) {
        char one[2] = { *name, 0 };
        assert_int_equal(df_weights_read_f32(w, one, square, 2, got, &err), DF_OK);
        assert_memory_equal(got, numbers, sizeof got);
    }
    assert_null(df_weights_find(w, "not in the index"));
    df_weights_close(&w);
}

static void refuses_a_wrong_index(void **state) {
    (void)state;
    static const struct {
        const char *index;
        df_code code;
        const char *says;
    } cases[] = {
        { "{}", DF_EFORMAT, "weight_map" },
        { "{\"weight_map\": {}}", DF_EFORMAT, "weight_map" },
        { "{\"weight_map\": {\"a\": 1}}", DF_EFORMAT, "'a'" },
        { "{\"weight_map\": {\"a\": \"../m-1.safetensors\"}}", DF_EFORMAT, "not a file name" },
        { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", DF_EFORMAT, "not a file name" },
        { "{\"weight_map\": {\"a\": \"..\"}}", DF_EFORMAT, "not a file name" },
        { "{\"weight_map\": {\"a\": \"\"}}", DF_EFORMAT, "not a file name" },
        { "{\"weight_map\": {\"a\": \"m-9.safetensors\"}}", DF_ENOTFOUND, "m-9.safetensors: is missing" },
        { "{\"weight_map\": {\"z\": \"m-1.safetensors\"}}", DF_EFORMAT, "no tensor 'z'" },
        { "{\"weight_map\": ", DF_EFORMAT, "line 1" },
    };
    const char *dir = golden_temp_dir();
    put_tensors(dir, "m-1.safetensors", (const char *[]) { "a", NULL }, square, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_weights *w = NULL;
        df_err err;
        put_text(dir, "m.safetensors.index.json", cases[i].index);
        df_code code = df_weights_open(&w, dir, "m", &err);
        if (code != cases[i].code || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s '%s'", cases[i].index, df_code_name(code), code ? err.text : "");
        assert_null(w);
    }
}

static void refuses_pickles_and_absence(void **state) {
    (void)state;
    static const char *const pickles[] = { "m.bin", "m.ckpt", "m.pt", "m.fp16.bin", "pytorch_model.bin" };
    df_weights *w = NULL;
    df_err err;
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
        const char *dir = golden_temp_dir();
        assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_ENOTFOUND);
        assert_non_null(strstr(err.text, "m.safetensors.index.json"));
        put_text(dir, pickles[i], "PK");
        assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_EUNSUPPORTED);
        assert_non_null(strstr(err.text, pickles[i]));
        assert_non_null(strstr(err.text, "run code"));
        assert_non_null(strstr(err.text, "convert"));
    }
    assert_int_equal(df_weights_open(&w, "/nowhere/at/all", "m", &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no such folder"));
}

static void checks_shapes(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_weights *w = NULL;
    df_err err;
    float got[4];
    char want[8192];
    put_tensors(dir, "m.safetensors", (const char *[]) { "w", NULL }, square, 2);
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    assert_int_equal(df_weights_read_f32(w, "w", (int64_t[]) { 4, 1 }, 2, got, &err), DF_ESHAPE);
    snprintf(want, sizeof want, "%s: 'w' is [2, 2], the config needs [4, 1]", in(dir, "m.safetensors"));
    assert_string_equal(err.text, want);
    assert_int_equal(df_weights_read_f32(w, "w", (int64_t[]) { 4 }, 1, got, &err), DF_ESHAPE);
    assert_int_equal(df_weights_read_f32(w, "w", (int64_t[]) { 2, 2, 1, 1 }, 4, got, &err), DF_ESHAPE);
    assert_int_equal(df_weights_read_f32(w, "v", square, 2, got, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "m.safetensors: tensor 'v' is missing"));
    df_weights_close(&w);
}

static void reads_historical_attention(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_weights *w = NULL;
    df_err err;
    float got[4];
    put_tensors(dir, "m.safetensors",
                (const char *[]) { "a.query.weight", "a.key.weight", "a.value.weight", "a.proj_attn.weight", NULL },
                (int64_t[]) { 2, 2, 1, 1 }, 4);
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    static const char *const names[] = { "a.to_q.weight", "a.to_k.weight", "a.to_v.weight", "a.to_out.0.weight" };
    for (int i = 0; i < 4; i++) {
        memset(got, 0, sizeof got);
        assert_int_equal(df_weights_read_f32(w, names[i], square, 2, got, &err), DF_OK);
        assert_memory_equal(got, numbers, sizeof got);
    }
    assert_int_equal(df_weights_read_f32(w, "b.to_q.weight", square, 2, got, &err), DF_ENOTFOUND);
    df_weights_close(&w);
    put_tensors(dir, "n.safetensors", (const char *[]) { "a.to_q.bias", NULL }, square, 2);
    assert_int_equal(df_weights_open(&w, dir, "n", &err), DF_OK);
    assert_int_equal(df_weights_read_f32(w, "a.query.bias", square, 2, got, &err), DF_OK);
    df_weights_close(&w);
}

static void reads_text_encoders_without_their_prefix(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_weights *w = NULL;
    df_err err;
    float got[4] = { 0 };
    put_tensors(dir, "m.safetensors", (const char *[]) { "encoder.weight", NULL }, square, 2);
    assert_int_equal(df_weights_open(&w, dir, "m", &err), DF_OK);
    assert_non_null(df_weights_find(w, "text_model.encoder.weight"));
    assert_null(df_weights_find(w, "text_model.decoder.weight"));
    assert_int_equal(df_weights_read_f32(w, "text_model.encoder.weight", square, 2, got, &err), DF_OK);
    assert_memory_equal(got, numbers, sizeof got);
    df_weights_close(&w);
}

/* The autoencoder of the SD2 case has the old names. */
static void reads_the_old_names_of_a_real_file(void **state) {
    (void)state;
    df_weights *w = NULL;
    df_err err;
    assert_int_equal(df_weights_open(&w, golden_path("sd2", "vae"), "diffusion_pytorch_model", &err), DF_OK);
    const df_tensor_view *t = df_weights_find(w, "decoder.mid_block.attentions.0.query.weight");
    assert_non_null(t);
    float *x = calloc((size_t)t->n_elements, sizeof *x), *y = calloc((size_t)t->n_elements, sizeof *y);
    const int64_t dim[2] = { t->dim[0], t->dim[1] };
    assert_int_equal(df_weights_read_f32(w, "decoder.mid_block.attentions.0.to_q.weight", dim, 2, x, &err), DF_OK);
    assert_int_equal(df_tensor_to_f32(t, y, &err), DF_OK);
    assert_memory_equal(x, y, (size_t)t->n_elements * sizeof *x);
    free(x);
    free(y);
    df_weights_close(&w);
}

static void opens_the_bundled_model(void **state) {
    (void)state;
    df_weights *w = NULL;
    df_err err;
    assert_int_equal(df_weights_open(&w, golden_source_path("models/starter/unet"), "diffusion_pytorch_model", &err),
                     DF_OK);
    assert_in_range(df_weights_parameters(w), 8700000, 8900000); /* 8.8 M, as its README says */
    assert_int_equal(df_weights_bytes(w), 2 * df_weights_parameters(w)); /* all F16 */
    df_weights_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_order_of_layout),
        cmocka_unit_test(forgets_what_it_has_read),
        cmocka_unit_test(opens_shards),
        cmocka_unit_test(refuses_a_wrong_index),
        cmocka_unit_test(refuses_pickles_and_absence),
        cmocka_unit_test(checks_shapes),
        cmocka_unit_test(reads_historical_attention),
        cmocka_unit_test(reads_text_encoders_without_their_prefix),
        cmocka_unit_test(reads_the_old_names_of_a_real_file),
        cmocka_unit_test(opens_the_bundled_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

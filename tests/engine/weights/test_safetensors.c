#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "engine/weights/safetensors.h"
#include "tests/support/golden.h"

static df_buf file_of(const char *header, size_t data_bytes) {
    df_buf b = { 0 };
    uint64_t n = strlen(header);
    df_buf_add(&b, &n, sizeof n);
    df_buf_puts(&b, header);
    for (size_t i = 0; i < data_bytes; i++) df_buf_add(&b, &(unsigned char) { (unsigned char)i }, 1);
    assert_false(b.failed);
    return b;
}

static void reads_names_shapes_and_data(void **state) {
    (void)state;
    df_buf b = file_of("{\"__metadata__\":{\"format\":\"pt\"},"
                       "\"b\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[0,6]},"
                       "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[6,10]},"
                       "\"none\":{\"dtype\":\"F32\",\"shape\":[4,0],\"data_offsets\":[3,3]}}   ",
                       10);
    df_safetensors *f = NULL;
    df_err err;
    assert_int_equal(df_safetensors_open_memory(&f, b.data, b.len, "m", &err), DF_OK);
    assert_int_equal(df_safetensors_count(f), 3);
    assert_string_equal(df_safetensors_at(f, 0)->name, "a");
    assert_string_equal(df_safetensors_at(f, 1)->name, "b");
    assert_string_equal(df_safetensors_metadata(f, "format"), "pt");
    assert_null(df_safetensors_metadata(f, "author"));
    assert_null(df_safetensors_find(f, "c"));

    const df_tensor_view *t = df_safetensors_find(f, "b");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->dim[1], 3);
    assert_int_equal(t->n_elements, 6);
    float x[6];
    assert_int_equal(df_tensor_to_f32(t, x, &err), DF_OK);
    for (int i = 0; i < 6; i++) assert_true(x[i] == (float)i);

    int32_t a;
    assert_int_equal(df_safetensors_find(f, "a")->rank, 0);
    assert_int_equal(df_tensor_to_i32(df_safetensors_find(f, "a"), &a, &err), DF_OK); /* at an odd address */
    assert_int_equal(a, 0x09080706);
    assert_int_equal(df_safetensors_find(f, "none")->n_elements, 0);
    df_safetensors_close(&f);
    assert_null(f);
    df_buf_free(&b);
}

#define T(rest) "{\"w\":{" rest "}}"

/* Each header is wrong in one way; the message names file, tensor and fault. */
static void refuses_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        df_code code;
        const char *says[3];
    } cases[] = {
        { "[]", 0, DF_EFORMAT, { "not a JSON object" } },
        { "{\"w\":1}", 0, DF_EFORMAT, { "'w'", "not an object" } },
        { "{\"w\":{},}", 0, DF_EFORMAT, { "not valid JSON" } },
        { "{\"w\":{}", 0, DF_EFORMAT, { "not valid JSON" } },
        { T("\"shape\":[1],\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "dtype" } },
        { T("\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "dtype" } },
        { T("\"dtype\":\"F8_E5M2\",\"shape\":[4],\"data_offsets\":[0,4]"), 4, DF_EUNSUPPORTED, { "'w'", "F8_E5M2" } },
        { T("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "shape" } },
        { T("\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "shape" } },
        { T("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "dimension 0" } },
        { T("\"dtype\":\"F32\",\"shape\":[1,1.0],\"data_offsets\":[0,4]"), 4, DF_EFORMAT, { "'w'", "dimension 1" } },
        { T("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"),
          4,
          DF_ELIMIT,
          { "'w'", "9 dim" } },
        { T("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"),
          4,
          DF_EFORMAT,
          { "overflow" } },
        { T("\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]"),
          4,
          DF_EFORMAT,
          { "overflow" } },
        { T("\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]"), 4, DF_EFORMAT, { "JSON" } },
        { T("\"dtype\":\"F32\",\"shape\":[1]"), 4, DF_EFORMAT, { "'w'", "data_offsets" } },
        { T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]"), 4, DF_EFORMAT, { "'w'", "data_offsets" } },
        { T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]"), 8, DF_EFORMAT, { "'w'", "data_offsets" } },
        { T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]"), 4, DF_EFORMAT, { "'w'", "data_offsets" } },
        { T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"), 4, DF_EFORMAT, { "'w'", "4 to 0" } },
        { T("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]"), 4, DF_EFORMAT, { "'w'", "-4 to 0" } },
        { T("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"),
          4,
          DF_EFORMAT,
          { "'w' is F32 [2]", "8 bytes", "4" } },
        { T("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"),
          5,
          DF_EFORMAT,
          { "cut", "3 bytes are missing" } },
        { T("\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]"),
          7,
          DF_EFORMAT,
          { "cut", "9223372036854775800 bytes are missing" } },
        { "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
          8,
          DF_EFORMAT,
          { "duplicate", "w" } },
        { "{\"v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[6,6]},"
          "\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[7,11]}}",
          11,
          DF_EFORMAT,
          { "'v'", "'w'", "overlap" } },
        { "{\"v\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
          "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
          2,
          DF_EFORMAT,
          { "overlap" } },
        { "{\"__metadata__\":[]}", 0, DF_EFORMAT, { "__metadata__" } },
        { "{\"__metadata__\":{\"k\":1}}", 0, DF_EFORMAT, { "'k'" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_buf b = file_of(cases[i].header, cases[i].data_bytes);
        df_safetensors *f = NULL;
        df_err err;
        df_code code = df_safetensors_open_memory(&f, b.data, b.len, "dir/m.safetensors", &err);
        if (code != cases[i].code) fail_msg("%s: %s %s", cases[i].header, df_code_name(code), code ? err.text : "");
        assert_null(f);
        assert_non_null(strstr(err.text, "dir/m.safetensors: "));
        for (int k = 0; k < 3 && cases[i].says[k]; k++)
            if (!strstr(err.text, cases[i].says[k])) fail_msg("'%s' does not say '%s'", err.text, cases[i].says[k]);
        assert_int_equal(df_safetensors_open_memory(&f, b.data, b.len, "m", NULL), cases[i].code);
        df_buf_free(&b);
    }
}

static void takes_holes(void **state) {
    (void)state;
    df_buf b = file_of("{\"v\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]},"
                       "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[5,6]}}",
                       9);
    df_safetensors *f = NULL;
    assert_int_equal(df_safetensors_open_memory(&f, b.data, b.len, "m", NULL), DF_OK);
    assert_int_equal(*(const unsigned char *)df_safetensors_find(f, "w")->data, 5);
    df_safetensors_close(&f);
    df_buf_free(&b);
}

static void refuses_by(const void *bytes, size_t n, df_code code, const char *says) {
    df_safetensors *f = NULL;
    df_err err;
    assert_int_equal(df_safetensors_open_memory(&f, bytes, n, "m", &err), code);
    if (!strstr(err.text, says)) fail_msg("'%s' does not say '%s'", err.text, says);
}

static void names_files_of_other_kinds(void **state) {
    (void)state;
    refuses_by("PK\3\4\0\0\10\10\0\0\0\0\0\0archive/data.pkl", 30, DF_EUNSUPPORTED, "pickle");
    for (char protocol = 2; protocol <= 5; protocol++) {
        char pickle[16] = { (char)0x80, protocol, 'c', 'o', 's', '\n', 's', 'y', 's', 't', 'e', 'm' };
        refuses_by(pickle, sizeof pickle, DF_EUNSUPPORTED, "run code");
        refuses_by(pickle, 3, DF_EUNSUPPORTED, "run code");
    }
    refuses_by("version https://git-lfs.github.com/spec/v1\n", 43, DF_EUNSUPPORTED, "git lfs pull");
    refuses_by("GGUF\3\0\0\0\0\0\0\0", 12, DF_EUNSUPPORTED, "GGUF");
    refuses_by("<!DOCTYPE html>", 15, DF_EUNSUPPORTED, "web page");
    refuses_by("", 0, DF_EFORMAT, "0 bytes");
    refuses_by("\1\0\0", 3, DF_EFORMAT, "3 bytes");
    refuses_by("\0\0\0\0\0\0\0\0", 8, DF_EFORMAT, "not a JSON object");
    refuses_by("\377\377\377\377\0\0\0\0{}", 10, DF_EFORMAT, "4294967295");
    refuses_by("\20\0\0\0\0\0\0\0{}", 10, DF_EFORMAT, "cut inside its header: 14 bytes");
}

/* A header of 640 bytes begins as a pickle does: 0x80 0x02. */
static void takes_a_length_that_looks_like_a_pickle(void **state) {
    (void)state;
    char header[641];
    memset(header, ' ', sizeof header);
    header[640] = '\0';
    memcpy(header, "{}", 2);
    df_buf b = file_of(header, 0);
    assert_int_equal((unsigned char)b.data[0], 0x80);
    assert_int_equal(b.data[1], 2);
    df_safetensors *f = NULL;
    assert_int_equal(df_safetensors_open_memory(&f, b.data, b.len, "m", NULL), DF_OK);
    assert_int_equal(df_safetensors_count(f), 0);
    df_safetensors_close(&f);
    df_buf_free(&b);
}

static void opens_files_and_not_folders(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    char path[4200];
    df_safetensors *f = NULL;
    df_err err;
    snprintf(path, sizeof path, "%s/none.safetensors", dir);
    assert_int_equal(df_safetensors_open(&f, path, &err), DF_ENOTFOUND);
    assert_int_equal(df_safetensors_open(&f, dir, &err), DF_EINVAL);
    assert_int_equal(df_file_write(path, "", 0, &err), DF_OK);
    assert_int_equal(df_safetensors_open(&f, path, &err), DF_EFORMAT);
    assert_null(f);
}

/* Every prefix of a real file is refused and says how much is missing. */
static void refuses_every_cut(void **state) {
    (void)state;
    df_buf b = file_of(T("\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]"), 20);
    for (size_t n = 0; n < b.len; n++) {
        char *exact = malloc(n + 1), missing[64]; /* so that a sanitizer sees reads past the end */
        df_safetensors *f = NULL;
        df_err err;
        memcpy(exact, b.data, n);
        exact = realloc(exact, n ? n : 1);
        assert_int_equal(df_safetensors_open_memory(&f, exact, n, "m", &err), DF_EFORMAT);
        snprintf(missing, sizeof missing, "%zu bytes are missing", n < b.len - 20 ? b.len - 20 - n : b.len - n);
        if (n >= 8 && !strstr(err.text, missing)) fail_msg("%zu bytes: '%s' does not say '%s'", n, err.text, missing);
        free(exact);
    }
    df_buf_free(&b);
}

static void reads_the_golden_files(void **state) {
    (void)state;
    golden *g = golden_open("sd15");
    const df_tensor_view *t = golden_view(g, "unet.sample");
    assert_int_equal(t->dtype, DF_F32);
    assert_int_equal(t->rank, 4);
    assert_int_equal(t->dim[1], 4);
    assert_true(golden_has(g, "text.ids"));
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_shapes_and_data),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(takes_holes),
        cmocka_unit_test(names_files_of_other_kinds),
        cmocka_unit_test(takes_a_length_that_looks_like_a_pickle),
        cmocka_unit_test(opens_files_and_not_folders),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(reads_the_golden_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

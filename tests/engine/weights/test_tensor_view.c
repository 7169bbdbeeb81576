#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/weights/safetensors.h"

static df_tensor_view view_of(df_dtype dtype, const void *data, int64_t n) {
    return (df_tensor_view) { .name = "t", .dtype = dtype, .rank = 1, .dim = { n }, .n_elements = n, .data = data };
}

/* The bulk conversions agree with the scalar ones in every bit, at an odd address too. */
static void every_half_and_bfloat(void **state) {
    (void)state;
    enum { N = 65536 };
    unsigned char *raw = malloc(2 * N + 1);
    float *got = malloc(N * sizeof *got);
    for (int odd = 0; odd < 2; odd++)
        for (int kind = 0; kind < 2; kind++) {
            for (int i = 0; i < N; i++) memcpy(raw + odd + 2 * i, &(uint16_t) { (uint16_t)i }, 2);
            df_tensor_view v = view_of(kind ? DF_BF16 : DF_F16, raw + odd, N);
            assert_int_equal(df_tensor_to_f32(&v, got, NULL), DF_OK);
            for (int i = 0; i < N; i++) {
                float want = kind ? df_bf16_to_f32((uint16_t)i) : df_f16_to_f32((uint16_t)i);
                if (memcmp(&want, got + i, sizeof want)) fail_msg("kind %d, %#x: %g, not %g", kind, i, got[i], want);
            }
        }
    free(raw);
    free(got);
}

static void other_types(void **state) {
    (void)state;
    float x[3];
    int32_t k[3];
    df_tensor_view v = view_of(DF_F64, (double[]) { 0.1, -1e300, 0x1p-149 }, 3);
    assert_int_equal(df_tensor_to_f32(&v, x, NULL), DF_OK);
    assert_true(x[0] == 0.1f && x[1] == -INFINITY && x[2] == 0x1p-149f);
    v = view_of(DF_I64, (int64_t[]) { INT32_MIN, INT32_MAX, 0 }, 3);
    assert_int_equal(df_tensor_to_f32(&v, x, NULL), DF_OK);
    assert_true(x[0] == -0x1p31f && x[1] == 0x1p31f && x[2] == 0);
    assert_int_equal(df_tensor_to_i32(&v, k, NULL), DF_OK);
    assert_true(k[0] == INT32_MIN && k[1] == INT32_MAX && k[2] == 0);
    v = view_of(DF_I32, (int32_t[]) { 16777217, -1, 0 }, 3);
    assert_int_equal(df_tensor_to_f32(&v, x, NULL), DF_OK);
    assert_true(x[0] == 16777216 && x[1] == -1);
    v = view_of(DF_U8, (uint8_t[]) { 0, 128, 255 }, 3);
    assert_int_equal(df_tensor_to_f32(&v, x, NULL), DF_OK);
    assert_int_equal(df_tensor_to_i32(&v, k, NULL), DF_OK);
    assert_true(x[1] == 128 && x[2] == 255 && k[1] == 128 && k[2] == 255);
    v = view_of(DF_F32, NULL, 0);
    assert_int_equal(df_tensor_to_f32(&v, NULL, NULL), DF_OK);
}

static void integers_must_fit(void **state) {
    (void)state;
    int32_t k[2];
    df_err err;
    df_tensor_view v = view_of(DF_I64, (int64_t[]) { 0, INT64_C(1) << 31 }, 2);
    assert_int_equal(df_tensor_to_i32(&v, k, &err), DF_EFORMAT);
    assert_string_equal(err.text, "tensor 't': element 1 is 2147483648, which does not fit in 32 bits");
    v = view_of(DF_I64, (int64_t[]) { INT64_C(-1) - INT32_MAX - 1, 0 }, 2);
    assert_int_equal(df_tensor_to_i32(&v, k, &err), DF_EFORMAT);
    v = view_of(DF_F32, (float[]) { 1, 2 }, 2);
    assert_int_equal(df_tensor_to_i32(&v, k, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "F32"));
}

static void shapes_as_text(void **state) {
    (void)state;
    char out[64], little[8];
    assert_string_equal(df_shape_text(out, sizeof out, (int64_t[]) { 320, 4, 3, 3 }, 4), "[320, 4, 3, 3]");
    assert_string_equal(df_shape_text(out, sizeof out, NULL, 0), "[]");
    assert_string_equal(df_shape_text(little, sizeof little, (int64_t[]) { 123456789, 4 }, 2), "[123456");
    assert_string_equal(df_shape_text(little, 1, (int64_t[]) { 1 }, 1), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_and_bfloat),
        cmocka_unit_test(other_types),
        cmocka_unit_test(integers_must_fit),
        cmocka_unit_test(shapes_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

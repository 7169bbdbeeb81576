#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/dtype.h"

enum { HALF_INFINITY = 0x7c00, BFLOAT_INFINITY = 0x7f80 };

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The value a half stands for, from the definition. */
static double half_value(int h) {
    int exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    double value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -value : value;
}

static void names(void **state) {
    (void)state;
    for (int t = 0; t < DF_DTYPE_COUNT; t++) assert_int_equal(df_dtype_of(df_dtype_name((df_dtype)t)), t);
    assert_int_equal(df_dtype_of("bf16"), DF_BF16);
    assert_int_equal(df_dtype_of("F8_E4M3"), -1);
    assert_int_equal(df_dtype_of(""), -1);
    assert_int_equal(df_dtype_bytes(DF_F64), 8);
    assert_int_equal(df_dtype_bytes(DF_BF16), 2);
    assert_int_equal(df_dtype_bytes(DF_U8), 1);
}

static void every_half_has_its_value(void **state) {
    (void)state;
    for (int h = 0; h < 65536; h++) {
        float f = df_f16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > HALF_INFINITY)
            assert_true(isnan(f));
        else if ((h & 0x7fff) == HALF_INFINITY)
            assert_true(isinf(f));
        else if (f != half_value(h))
            fail_msg("%#x is %.9g, not %.9g", h, f, half_value(h));
        assert_int_equal(signbit(f) != 0, h >> 15);
    }
}

static void every_half_comes_back(void **state) {
    (void)state;
    for (int h = 0; h < 65536; h++) {
        uint16_t back = df_f32_to_f16(df_f16_to_f32((uint16_t)h));
        if ((h & 0x7fff) > HALF_INFINITY)
            assert_true((back & 0x7fff) > HALF_INFINITY && (back ^ h) >> 15 == 0); /* NaN of the same sign */
        else
            assert_int_equal(back, h);
    }
}

/* Between each two neighbours: below the middle, the middle (to the even one) and above it. */
static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (int h = 0; h < HALF_INFINITY; h++) {
        double top = h + 1 == HALF_INFINITY ? 65536 : half_value(h + 1); /* as if the exponents went on */
        float middle = (float)((half_value(h) + top) / 2);
        for (int sign = 0; sign < 2; sign++) {
            int s = sign << 15;
            assert_int_equal(df_f32_to_f16(sign ? -middle : middle), (h & 1 ? h + 1 : h) | s);
            assert_int_equal(df_f32_to_f16(copysignf(nextafterf(middle, 0), sign ? -1 : 1)), h | s);
            assert_int_equal(df_f32_to_f16(copysignf(nextafterf(middle, INFINITY), sign ? -1 : 1)), (h + 1) | s);
        }
    }
    assert_int_equal(df_f32_to_f16(0x1p-149f), 0);
    assert_int_equal(df_f32_to_f16(3e38f), HALF_INFINITY);
    assert_int_equal(df_f32_to_f16(-INFINITY), HALF_INFINITY | 0x8000);
}

static void every_bfloat_comes_back(void **state) {
    (void)state;
    for (int b = 0; b < 65536; b++) {
        float f = df_bf16_to_f32((uint16_t)b);
        uint16_t back = df_f32_to_bf16(f);
        assert_int_equal(bits_of(f), (uint32_t)b << 16);
        if ((b & 0x7fff) > BFLOAT_INFINITY)
            assert_true((back & 0x7fff) > BFLOAT_INFINITY && (back ^ b) >> 15 == 0);
        else
            assert_int_equal(back, b);
    }
}

static void bfloats_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t b = 0; b < BFLOAT_INFINITY; b++)
        for (uint32_t sign = 0; sign < 2; sign++) {
            uint32_t low = b << 16 | sign << 31, s = sign << 15;
            assert_int_equal(df_f32_to_bf16(float_of(low | 0x8000)), (b & 1 ? b + 1 : b) | s);
            assert_int_equal(df_f32_to_bf16(float_of(low | 0x7fff)), b | s);
            assert_int_equal(df_f32_to_bf16(float_of(low | 0x8001)), (b + 1) | s);
        }
    assert_int_equal(df_f32_to_bf16(float_of(0x7f800001)) & 0x7fff,
                     0x7fc0); /* a NaN whose payload is cut off stays one */
}

/* What is stored as a type is what comes back, at its place, and nothing beside it changes. */
static void elements_are_loaded_and_stored(void **state) {
    (void)state;
    static const df_dtype types[] = { DF_F64, DF_F32, DF_F16, DF_BF16 };
    static const double third[] = { 1.0 / 3, (double)(1.0f / 3), 0x1.554p-2, 0x1.56p-2 };
    for (size_t k = 0; k < 4; k++) {
        double data[3];
        for (size_t i = 0; i < 3; i++) df_dtype_store(types[k], data, i, (double)i);
        df_dtype_store(types[k], data, 1, 1.0 / 3);
        assert_true(df_dtype_load(types[k], data, 0) == 0);
        assert_true(df_dtype_load(types[k], data, 1) == third[k]);
        assert_true(df_dtype_load(types[k], data, 2) == 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(every_bfloat_comes_back),
        cmocka_unit_test(bfloats_round_to_nearest_even),
        cmocka_unit_test(elements_are_loaded_and_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

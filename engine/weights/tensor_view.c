/* Reading the elements of a mapped tensor. The data may lie at any address, so each element is copied out; the loops
 * are branch-free in the common types, so that the compiler makes vector code of them. */
#include <stdio.h>
#include <string.h>

#include "engine/weights/safetensors.h"

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* df_f16_to_f32 with masks for branches: billions of these are done while a model loads. */
static uint32_t f32_bits_of_f16(uint32_t h) {
    uint32_t exponent = h & 0x7c00, rebias = 112u << 23;
    uint32_t is_special = -(uint32_t)(exponent == 0x7c00), is_subnormal = -(uint32_t)(exponent == 0);
    uint32_t normal = ((h & 0x7fff) << 13) + rebias + (is_special & rebias);
    uint32_t subnormal = bits_of((float)(int32_t)(h & 0x3ff) * 0x1p-24f);
    return (h & 0x8000) << 16 | (is_subnormal & subnormal) | (~is_subnormal & normal);
}

static void f16_to_f32(float *dst, const unsigned char *src, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, src + 2 * i, sizeof h);
        uint32_t bits = f32_bits_of_f16(h);
        memcpy(dst + i, &bits, sizeof bits);
    }
}

static void bf16_to_f32(float *dst, const unsigned char *src, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t b;
        memcpy(&b, src + 2 * i, sizeof b);
        uint32_t bits = (uint32_t)b << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

#define NUMBERS_TO_F32(name, type)                                                                                     \
    static void name(float *dst, const unsigned char *src, int64_t n) {                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type x;                                                                                                    \
            memcpy(&x, src + (int64_t)sizeof x * i, sizeof x);                                                         \
            dst[i] = (float)x;                                                                                         \
        }                                                                                                              \
    }
NUMBERS_TO_F32(f64_to_f32, double)
NUMBERS_TO_F32(i64_to_f32, int64_t)
NUMBERS_TO_F32(i32_to_f32, int32_t)
NUMBERS_TO_F32(u8_to_f32, uint8_t)

df_code df_tensor_to_f32(const df_tensor_view *t, float *dst, df_err *err) {
    const unsigned char *src = t->data;
    switch (t->dtype) {
    case DF_F32:
        if (t->n_elements) memcpy(dst, src, (size_t)t->n_elements * sizeof *dst);
        return DF_OK;
    case DF_F16: f16_to_f32(dst, src, t->n_elements); return DF_OK;
    case DF_BF16: bf16_to_f32(dst, src, t->n_elements); return DF_OK;
    case DF_F64: f64_to_f32(dst, src, t->n_elements); return DF_OK;
    case DF_I64: i64_to_f32(dst, src, t->n_elements); return DF_OK;
    case DF_I32: i32_to_f32(dst, src, t->n_elements); return DF_OK;
    case DF_U8: u8_to_f32(dst, src, t->n_elements); return DF_OK;
    default: return df_err_set(err, DF_EINTERNAL, "tensor '%.200s' is of unknown type %d", t->name, (int)t->dtype);
    }
}

static df_code i64_to_i32(const df_tensor_view *t, int32_t *dst, df_err *err) {
    const unsigned char *src = t->data;
    for (int64_t i = 0; i < t->n_elements; i++) {
        int64_t x;
        memcpy(&x, src + 8 * i, sizeof x);
        if (x < INT32_MIN || x > INT32_MAX)
            return df_err_set(err, DF_EFORMAT, "tensor '%.200s': element %lld is %lld, which does not fit in 32 bits",
                              t->name, (long long)i, (long long)x);
        dst[i] = (int32_t)x;
    }
    return DF_OK;
}

df_code df_tensor_to_i32(const df_tensor_view *t, int32_t *dst, df_err *err) {
    switch (t->dtype) {
    case DF_I32:
        if (t->n_elements) memcpy(dst, t->data, (size_t)t->n_elements * sizeof *dst);
        return DF_OK;
    case DF_U8:
        for (int64_t i = 0; i < t->n_elements; i++) dst[i] = ((const uint8_t *)t->data)[i];
        return DF_OK;
    case DF_I64: return i64_to_i32(t, dst, err);
    default:
        return df_err_set(err, DF_EFORMAT, "tensor '%.200s' is %s, integers are needed", t->name,
                          df_dtype_name(t->dtype));
    }
}

char *df_shape_text(char *out, size_t out_bytes, const int64_t *dim, int rank) {
    size_t used = 0;
    if (!out_bytes) return out;
    out[0] = '\0';
    for (int i = -1; i <= rank && used < out_bytes; i++) {
        int n = i < 0       ? snprintf(out, out_bytes, "[")
                : i == rank ? snprintf(out + used, out_bytes - used, "]")
                            : snprintf(out + used, out_bytes - used, i ? ", %lld" : "%lld", (long long)dim[i]);
        used += (size_t)n;
    }
    return out;
}

#include "engine/dtype.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
#define X(name, bytes) { #name, bytes },
    DF_DTYPES(X)
#undef X
};

size_t df_dtype_bytes(df_dtype t) {
    return types[t].bytes;
}

const char *df_dtype_name(df_dtype t) {
    return types[t].name;
}

int df_dtype_of(const char *name) {
    for (int i = 0; i < DF_DTYPE_COUNT; i++)
        if (!strcasecmp(name, types[i].name)) return i;
    return -1;
}

static float from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t to_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float df_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float subnormal = (float)mantissa * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

float df_bf16_to_f32(uint16_t b) {
    return from_bits((uint32_t)b << 16);
}

uint16_t df_f32_to_f16(float f) {
    uint32_t bits = to_bits(f), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00); /* NaN */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds to infinity */
    if (magnitude < 0x38800000) { /* subnormal half: let the float adder round at bit 2^-24 */
        float shifted = from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (to_bits(shifted) - 0x3f000000));
    }
    uint32_t odd = (magnitude >> 13) & 1;
    return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

uint16_t df_f32_to_bf16(float f) {
    uint32_t bits = to_bits(f);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

double df_dtype_load(df_dtype t, const void *x, size_t i) {
    switch (t) {
    case DF_F64: return ((const double *)x)[i];
    case DF_F32: return (double)((const float *)x)[i];
    case DF_F16: return (double)df_f16_to_f32(((const uint16_t *)x)[i]);
    case DF_BF16: return (double)df_bf16_to_f32(((const uint16_t *)x)[i]);
    default: assert(!"a floating type"); return 0;
    }
}

void df_dtype_store(df_dtype t, void *x, size_t i, double value) {
    switch (t) {
    case DF_F64: ((double *)x)[i] = value; break;
    case DF_F32: ((float *)x)[i] = (float)value; break;
    case DF_F16: ((uint16_t *)x)[i] = df_f32_to_f16((float)value); break;
    case DF_BF16: ((uint16_t *)x)[i] = df_f32_to_bf16((float)value); break;
    default: assert(!"a floating type");
    }
}

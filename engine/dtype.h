/* Element types, as safetensors names them. */
#ifndef DF_ENGINE_DTYPE_H
#define DF_ENGINE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

/* name, bytes */
#define DF_DTYPES(X) X(F64, 8) X(F32, 4) X(F16, 2) X(BF16, 2) X(I64, 8) X(I32, 4) X(U8, 1)

typedef enum df_dtype {
#define X(name, bytes) DF_##name,
    DF_DTYPES(X)
#undef X
        DF_DTYPE_COUNT
} df_dtype;

size_t df_dtype_bytes(df_dtype t);
const char *df_dtype_name(df_dtype t); /* "F32", as safetensors writes it */
int df_dtype_of(const char *name); /* "F32" or "f32" -> DF_F32; -1 if unknown */

float df_f16_to_f32(uint16_t h); /* IEEE half, subnormals and NaN included */
float df_bf16_to_f32(uint16_t b);
uint16_t df_f32_to_f16(float f); /* round to nearest even */
uint16_t df_f32_to_bf16(float f);

/* Element i of an array of type F64, F32, F16 or BF16. What is stored goes through f32 where the type is narrower. */
double df_dtype_load(df_dtype t, const void *x, size_t i);
void df_dtype_store(df_dtype t, void *x, size_t i, double value);

#endif

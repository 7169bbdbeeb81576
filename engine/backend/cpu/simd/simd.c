#include "engine/backend/cpu/simd/simd.h"

#include <string.h>

extern const df_simd df_simd_plain, df_simd_plain_bf16;
#ifdef DF_SIMD_X86
extern const df_simd df_simd_avx2, df_simd_avx2_bf16, df_simd_avx512, df_simd_avx512_bf16;

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && has_avx2();
}
#endif

static bool always(void) {
    return true;
}

static const struct {
    const df_simd *f32, *bf16;
    bool (*runs_here)(void);
} tables[] = { /* fastest first */
#ifdef DF_SIMD_X86
               { &df_simd_avx512, &df_simd_avx512_bf16, has_avx512 },
               { &df_simd_avx2, &df_simd_avx2_bf16, has_avx2 },
#endif
               { &df_simd_plain, &df_simd_plain_bf16, always }
};

static const df_simd *table(size_t i, df_dtype dtype) {
    return dtype == DF_BF16 ? tables[i].bf16 : tables[i].f32;
}

const df_simd *df_simd_best(df_dtype dtype) {
    size_t i = 0;
    while (!tables[i].runs_here()) i++;
    return table(i, dtype);
}

const df_simd *df_simd_find(const char *name, df_dtype dtype) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!strcmp(tables[i].f32->name, name)) return tables[i].runs_here() ? table(i, dtype) : NULL;
    return NULL;
}

#include "engine/backend/cpu/simd/simd.h"

#include <string.h>

extern const df_simd df_simd_plain, df_simd_plain_bf16;
#ifdef DF_SIMD_X86
extern const df_simd df_simd_avx2, df_simd_avx2_bf16, df_simd_avx512, df_simd_avx512_bf16, df_simd_avx512bf16;

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && has_avx2();
}

static bool has_avx512bf16(void) {
    return __builtin_cpu_supports("avx512bf16") && has_avx512();
}
#endif

static bool always(void) {
    return true;
}

static const struct {
    const df_simd *table;
    bool (*runs_here)(void);
} tables[] = { /* of each type the fastest first */
#ifdef DF_SIMD_X86
               { &df_simd_avx512, has_avx512 },
               { &df_simd_avx2, has_avx2 },
               { &df_simd_avx512bf16, has_avx512bf16 },
               { &df_simd_avx512_bf16, has_avx512 },
               { &df_simd_avx2_bf16, has_avx2 },
#endif
               { &df_simd_plain, always },
               { &df_simd_plain_bf16, always }
};

enum { N_TABLES = sizeof tables / sizeof *tables };

const df_simd *df_simd_best(df_dtype dtype) {
    int i = 0;
    while (tables[i].table->dtype != dtype || !tables[i].runs_here()) i++;
    return tables[i].table;
}

const df_simd *df_simd_find(const char *name, df_dtype dtype) {
    for (int i = 0; i < N_TABLES; i++)
        if (tables[i].table->dtype == dtype && !strcmp(tables[i].table->name, name))
            return tables[i].runs_here() ? tables[i].table : NULL;
    return NULL;
}

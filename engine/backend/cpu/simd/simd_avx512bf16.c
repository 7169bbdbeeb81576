#define DF_SIMD_TABLE df_simd_avx512bf16
#define DF_SIMD_NAME "avx512bf16"
#define DF_SIMD_BF16
#include "engine/backend/cpu/simd/kernels.h"

#define DF_SIMD_TABLE df_simd_avx2_bf16
#define DF_SIMD_NAME "avx2"
#define DF_SIMD_BF16
#include "engine/backend/cpu/simd/kernels.h"

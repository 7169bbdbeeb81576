#define DF_SIMD_TABLE df_simd_plain_bf16
#define DF_SIMD_NAME "plain"
#define DF_SIMD_BF16
#include "engine/backend/cpu/simd/kernels.h"

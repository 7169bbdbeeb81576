#define DF_SIMD_TABLE df_simd_avx512
#define DF_SIMD_NAME "avx512"
#include "engine/backend/cpu/simd/kernels.h"

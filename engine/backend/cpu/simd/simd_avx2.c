#define DF_SIMD_TABLE df_simd_avx2
#define DF_SIMD_NAME "avx2"
#include "engine/backend/cpu/simd/kernels.h"

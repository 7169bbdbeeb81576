#define DF_SIMD_TABLE df_simd_plain
#define DF_SIMD_NAME "plain"
#include "engine/backend/cpu/simd/kernels.h"

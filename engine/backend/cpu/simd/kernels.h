/* The table of one instruction set and type of activations: included once by each simd_*.c, which names it with
 * DF_SIMD_TABLE and DF_SIMD_NAME; DF_SIMD_BF16 says that activations are bf16. */
#include "engine/backend/cpu/simd/attention_kernel.h"
#include "engine/backend/cpu/simd/codebook.h"
#include "engine/backend/cpu/simd/elementwise.h"
#include "engine/backend/cpu/simd/int8.h"
#include "engine/backend/cpu/simd/norms.h"
#include "engine/backend/cpu/simd/simd.h"
#include "engine/backend/cpu/simd/winograd_kernel.h"

extern const df_simd DF_SIMD_TABLE;
const df_simd DF_SIMD_TABLE = {
    .name = DF_SIMD_NAME,
#ifdef DF_SIMD_BF16
    .dtype = DF_BF16,
#else
    .dtype = DF_F32,
#endif
    .lanes = VL,
    .epilogue = epilogue,
    .geglu = geglu,
    .channel_sums = channel_sums,
    .scale_shift = scale_shift,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .modulate = modulate,
    .gate = gate,
    .affine = affine,
    .to_int8 = to_int8,
    .nearest_code = nearest_code,
    .attention_queries = QV * VL,
    .attention_key_floats = attention_key_floats,
    .attention_value_floats = attention_value_floats,
    .attention_work_floats = attention_work_floats,
    .attention_pack = attention_pack,
    .attention = attention,
#ifdef HAS_WINOGRAD
    .winograd_group = WINOGRAD_GROUP,
    .winograd_input = winograd_input,
    .winograd_product = winograd_product,
    .winograd_output = winograd_output,
#endif
    .exp = map_exp,
    .erf = map_erf,
};

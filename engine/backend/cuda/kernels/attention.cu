#include "attention.h"

#include <math.h>

#include "launch.cuh"

cudaError_t df_cuda_attention(df_dtype type, const df_cuda_attention_args *args, cudaStream_t stream) {
    df_cuda_attention_args a = *args;
    if (a.scale == 0) a.scale = 1 / sqrt((double)a.d);
    const bool fits = a.d % 8 == 0 && a.dv % 8 == 0 && a.d <= widest_head;
    if (!fits || type == DF_F32) return attention_in_f32(type, a, stream);
    if (!are_aligned(a.q, a.k, a.v, a.out)) return cudaErrorMisalignedAddress;
    return attention_on_tensor_cores(type, a, stream);
}

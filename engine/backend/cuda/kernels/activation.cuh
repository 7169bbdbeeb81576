/* The activation functions, one definition for every kernel that folds one in. */
#pragma once
#include "launch.cuh"

__device__ inline float gelu_exact(float x) {
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
}

__device__ inline float gelu_tanh(float x) {
    return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

__device__ inline float apply_act(float x, df_act act) {
    switch (act) {
    case DF_ACT_NONE: return x;
    case DF_ACT_SILU: return x / (1.0f + expf(-x));
    case DF_ACT_GELU: return gelu_exact(x);
    case DF_ACT_GELU_TANH: return gelu_tanh(x);
    case DF_ACT_QUICK_GELU: return x / (1.0f + expf(-1.702f * x));
    case DF_ACT_RELU: return x > 0.0f ? x : 0.0f;
    }
    return x;
}

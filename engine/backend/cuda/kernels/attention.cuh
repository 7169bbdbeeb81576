/* What both attention kernels take from the arguments: which head a block is for, and what a query sees. */
#pragma once
#include "attention.h"
#include "element.cuh"

struct attention_head {
    int64_t row;
    int head;

    __device__ attention_head(const df_cuda_attention_args &a, unsigned index)
        : row(index / (unsigned)a.heads), head((int)(index % (unsigned)a.heads)) {
    }
    template <class T> __device__ const T *q(const df_cuda_attention_args &a) const {
        return (const T *)a.q + row * a.queries * a.heads * a.d + head * a.d;
    }
    template <class T> __device__ const T *k(const df_cuda_attention_args &a) const {
        return (const T *)a.k + row * a.keys * a.heads * a.d + head * a.d;
    }
    template <class T> __device__ const T *v(const df_cuda_attention_args &a) const {
        return (const T *)a.v + row * a.keys * a.heads * a.dv + head * a.dv;
    }
    template <class T> __device__ T *out(const df_cuda_attention_args &a) const {
        return (T *)a.out + row * a.queries * a.heads * a.dv + head * a.dv;
    }
};

/* The score of a query for a key, from their product. -INFINITY: not seen. Every query sees key 0, so that the largest
 * score so far is finite from the first tile on, whatever that tile's other keys are. */
__device__ inline float score_of(const df_cuda_attention_args &a, int head, int64_t query, int64_t key, float dot) {
    if (key >= a.keys || (a.causal && key > query)) return -INFINITY;
    const float score = dot * (float)a.scale;
    if (!a.bias || query >= a.queries) return score;
    return score + a.bias[head * (a.queries + a.keys - 1) + a.queries - 1 + key - query];
}

/* Keys that any of the queries before `query_end` sees. */
__device__ inline int64_t keys_seen(const df_cuda_attention_args &a, int64_t query_end) {
    return a.causal && query_end < a.keys ? query_end : a.keys;
}

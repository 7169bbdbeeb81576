/* Attention with products and sums in f32: flash attention's passes over tiles of keys, without tensor cores. A block
 * takes 32 queries of one head, a warp 8 of them; a lane has one key of a tile while scores are made, and every 32nd
 * column of the result while values are summed. Wide values are taken in slices, each by a block of its own. */
#include "attention.cuh"

namespace {

constexpr int n_warps = 4, n_threads = 32 * n_warps;
constexpr int queries_per_warp = 8, tile_queries = n_warps * queries_per_warp;
constexpr int tile_keys = 32; /* a lane each */
constexpr int part = 64; /* of the head's width, in shared memory at a time */
constexpr int columns_per_lane = 4, slice = 32 * columns_per_lane;

__device__ inline float warp_max(float v) {
    for (int apart = 16; apart > 0; apart /= 2) v = fmaxf(v, __shfl_xor_sync(whole_warp, v, apart));
    return v;
}

__device__ inline float warp_sum(float v) {
    for (int apart = 16; apart > 0; apart /= 2) v += __shfl_xor_sync(whole_warp, v, apart);
    return v;
}

/* to [lines][stride] = lines first.. of x [..][pitch], columns c0 .. c0 + width; zero where there are none. */
template <class T>
__device__ void load_part(float *to, int lines, int width, int stride, const T *x, int64_t pitch, int64_t first,
                          int64_t end, int64_t c0, int64_t columns) {
    for (int i = threadIdx.x; i < lines * width; i += n_threads) {
        const int line = i / width, c = i % width;
        const bool there = first + line < end && c0 + c < columns;
        to[line * stride + c] = there ? to_float(x[(first + line) * pitch + c0 + c]) : 0.0f;
    }
}

/* One query's softmax so far, and its share of the sum of values. */
struct running {
    float largest = -INFINITY, sum = 0.0f;
    float out[columns_per_lane] = {};

    /* Takes a tile's scores in, this lane's being `score`; returns its weight. */
    __device__ float take(float score) {
        const float now = fmaxf(largest, warp_max(score)), weight = expf(score - now), shrink = expf(largest - now);
        largest = now;
        sum = sum * shrink + warp_sum(weight);
        for (int c = 0; c < columns_per_lane; c++) out[c] *= shrink;
        return weight;
    }
};

template <class T>
__global__ void __launch_bounds__(n_threads)
    attention_f32(const df_cuda_attention_args a, unsigned query_tiles, unsigned slices) {
    DF_SHARED(float, q_part, tile_queries *part);
    DF_SHARED(float, k_part, tile_keys *(part + 1)); /* one more: lanes read different banks */
    DF_SHARED(float, values, tile_keys *slice);
    DF_SHARED(float, weights, tile_queries *tile_keys);
    const int lane = threadIdx.x % 32, first = (int)threadIdx.x / 32 * queries_per_warp;
    const int64_t q0 = (int64_t)(blockIdx.x % query_tiles) * tile_queries,
                  v0 = blockIdx.x / query_tiles % slices * slice;
    const attention_head h(a, blockIdx.x / query_tiles / slices);
    const int64_t key_end = keys_seen(a, q0 + tile_queries);
    running state[queries_per_warp];
    for (int64_t k0 = 0; k0 < key_end; k0 += tile_keys) {
        float dot[queries_per_warp] = {};
        for (int64_t c0 = 0; c0 < a.d; c0 += part) {
            __syncthreads(); /* the last part, and the last tile's weights and values, have been read */
            load_part(q_part, tile_queries, part, part, h.q<T>(a), a.heads * a.d, q0, a.queries, c0, a.d);
            load_part(k_part, tile_keys, part, part + 1, h.k<T>(a), a.heads * a.d, k0, a.keys, c0, a.d);
            __syncthreads();
            for (int c = 0; c < part; c++)
                for (int j = 0; j < queries_per_warp; j++)
                    dot[j] = fmaf(q_part[(first + j) * part + c], k_part[lane * (part + 1) + c], dot[j]);
        }
        load_part(values, tile_keys, slice, slice, h.v<T>(a), a.heads * a.dv, k0, a.keys, v0, a.dv);
        for (int j = 0; j < queries_per_warp; j++)
            weights[(first + j) * tile_keys + lane] =
                state[j].take(score_of(a, h.head, q0 + first + j, k0 + lane, dot[j]));
        __syncthreads();
        for (int key = 0; key < tile_keys; key++)
            for (int c = 0; c < columns_per_lane; c++)
                for (int j = 0; j < queries_per_warp; j++)
                    state[j].out[c] = fmaf(weights[(first + j) * tile_keys + key], values[key * slice + c * 32 + lane],
                                           state[j].out[c]);
    }
    for (int j = 0; j < queries_per_warp && q0 + first + j < a.queries; j++)
        for (int c = 0; c < columns_per_lane; c++) {
            const int64_t column = v0 + c * 32 + lane;
            if (column < a.dv)
                h.out<T>(a)[(q0 + first + j) * a.heads * a.dv + column] = rounded<T>(state[j].out[c] / state[j].sum);
        }
}

} // namespace

cudaError_t attention_in_f32(df_dtype type, const df_cuda_attention_args &a, cudaStream_t stream) {
    const int64_t query_tiles = (a.queries + tile_queries - 1) / tile_queries, slices = (a.dv + slice - 1) / slice;
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return launch(attention_f32<T>, a.rows * a.heads * slices * query_tiles, n_threads, 0, stream, a, query_tiles,
                      slices);
    });
}

/* Flash attention on tensor cores. A block takes 64 queries of one head, a warp 16 of them; tiles of keys and values
 * come into shared memory by asynchronous copies, the next one while this one is computed with. Scores stay in
 * registers: the layout of a product's result is that of the next one's first operand, so the weights of the softmax
 * multiply the values without going through memory.
 * Source: Dao et al. 2022, arXiv:2205.14135, algorithm 1; Dao 2023, arXiv:2307.08691, section 3. */
#include "attention.cuh"
#include "tensor_core.cuh"

namespace {

constexpr int n_warps = 4, n_threads = 32 * n_warps;
constexpr int warp_queries = 16, tile_queries = n_warps * warp_queries;
constexpr int pad = 8; /* elements behind each line in shared memory: eight lines lie in different banks */
constexpr int chunk = 8; /* elements of a 16-byte copy */
constexpr int widest_slice = 256; /* of the values */
constexpr size_t shared_limit = 163 << 10; /* of an sm_80; later ones have more */

/* Lines of shared memory, `stride` elements apart. */
template <class T> struct lines {
    T *data;
    int stride;
    __device__ T *at(int line, int column) const {
        return data + line * stride + column;
    }
};

/* Starts the copy of n lines of x [..][pitch] from line `first`, `width` elements of each; zeros up to `padded` and for
 * lines from `end` on. */
template <class T>
__device__ void start_copy(const lines<T> &to, int n, const T *x, int64_t pitch, int64_t first, int64_t end, int width,
                           int padded) {
    const int chunks = padded / chunk;
    for (int i = threadIdx.x; i < n * chunks; i += n_threads) {
        const int line = i / chunks, column = i % chunks * chunk;
        const bool there = first + line < end && column < width;
        copy_16_bytes(to.at(line, column), there ? x + (first + line) * pitch + column : x, there);
    }
}

/* Scores of a warp's queries for a tile of keys: dot[n] is the fragment of keys 8n .. 8n + 7. */
template <class T, int tile_keys>
__device__ void multiply_keys(float (&dot)[tile_keys / 8][4], const lines<T> &q, const lines<T> &k, int padded_d) {
    const int lane = threadIdx.x % 32, first = (int)threadIdx.x / 32 * warp_queries;
    for (int n = 0; n < tile_keys / 8; n++)
        for (int i = 0; i < 4; i++) dot[n][i] = 0.0f;
#pragma unroll 4
    for (int c = 0; c < padded_d; c += 16) {
        uint32_t a[4], b[4];
        load_matrices(a, q.at(first + lane % 16, c + lane / 16 * 8));
#pragma unroll
        for (int n = 0; n < tile_keys / 16; n++) {
            load_matrices(b, k.at(n * 16 + lane % 8 + lane / 16 * 8, c + lane / 8 % 2 * 8));
            multiply_add<T>(dot[2 * n], a, b[0], b[1]);
            multiply_add<T>(dot[2 * n + 1], a, b[2], b[3]);
        }
    }
}

/* The softmax so far of the two queries that a lane has a part of, and their result: out[n] is the fragment of columns
 * 8n .. 8n + 7. `sum` is of this lane's keys alone until the end. */
template <int columns> struct running {
    float largest[2] = { -INFINITY, -INFINITY }, sum[2] = { 0.0f, 0.0f };
    float out[columns / 8][4] = {};

    /* score[n] becomes the weights; i / 2 is the query of float i. */
    template <int tile_keys> __device__ void take(float (&score)[tile_keys / 8][4]) {
        constexpr float log2_e = 1.44269504088896341f;
#pragma unroll
        for (int of = 0; of < 2; of++) {
            float now = largest[of];
#pragma unroll
            for (int n = 0; n < tile_keys / 8; n++) now = fmaxf(now, fmaxf(score[n][2 * of], score[n][2 * of + 1]));
            now = fmaxf(now, __shfl_xor_sync(whole_warp, now, 1)); /* the four lanes that share the query */
            now = fmaxf(now, __shfl_xor_sync(whole_warp, now, 2));
            const float shrink = exp2f((largest[of] - now) * log2_e);
            largest[of] = now;
            sum[of] *= shrink;
#pragma unroll
            for (int n = 0; n < tile_keys / 8; n++)
#pragma unroll
                for (int i = 2 * of; i < 2 * of + 2; i++) sum[of] += score[n][i] = exp2f((score[n][i] - now) * log2_e);
#pragma unroll
            for (int n = 0; n < columns / 8; n++)
#pragma unroll
                for (int i = 2 * of; i < 2 * of + 2; i++) out[n][i] *= shrink;
        }
    }

    template <class T, int tile_keys>
    __device__ void add_values(const float (&weight)[tile_keys / 8][4], const lines<T> &v) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int k = 0; k < tile_keys / 16; k++) {
            const float(&low)[4] = weight[2 * k], (&high)[4] = weight[2 * k + 1];
            const uint32_t a[4] = { pair_of<T>::pack(low[0], low[1]), pair_of<T>::pack(low[2], low[3]),
                                    pair_of<T>::pack(high[0], high[1]), pair_of<T>::pack(high[2], high[3]) };
#pragma unroll
            for (int n = 0; n < columns / 16; n++) {
                uint32_t b[4];
                load_matrices_transposed(b, v.at(k * 16 + lane % 16, n * 16 + lane / 16 * 8));
                multiply_add<T>(out[2 * n], a, b[0], b[1]);
                multiply_add<T>(out[2 * n + 1], a, b[2], b[3]);
            }
        }
    }

    __device__ void finish() {
#pragma unroll
        for (int of = 0; of < 2; of++) {
            sum[of] += __shfl_xor_sync(whole_warp, sum[of], 1);
            sum[of] += __shfl_xor_sync(whole_warp, sum[of], 2);
        }
    }
};

/* How the head's operands lie in shared memory: q [64], then two buffers, each of k and v [tile_keys]. */
template <class T, int columns, int tile_keys> struct tiles {
    T *shared;
    int wide; /* stride of q and k */
    static constexpr int values = columns + pad; /* of v */

    __host__ __device__ static constexpr size_t bytes(int padded_d) {
        return sizeof(T) * (tile_queries * (padded_d + pad) + 2 * tile_keys * (padded_d + pad + values));
    }
    __device__ lines<T> q() const {
        return { shared, wide };
    }
    __device__ lines<T> k(int buffer) const {
        return { shared + tile_queries * wide + buffer * tile_keys * (wide + values), wide };
    }
    __device__ lines<T> v(int buffer) const {
        return { k(buffer).data + tile_keys * wide, values };
    }
};

__host__ __device__ inline int padded_to_16(int d) {
    return (d + 15) / 16 * 16;
}

/* columns: of the values, padded; wider ones are taken in slices, each by a block of its own. */
template <class T, int columns, int tile_keys>
__global__ void __launch_bounds__(n_threads)
    flash_attention(const df_cuda_attention_args a, unsigned query_tiles, unsigned slices) {
    DF_SHARED_DYNAMIC(T, shared);
    const int padded_d = padded_to_16(a.d);
    const tiles<T, columns, tile_keys> mem = { shared, padded_d + pad };
    const int64_t q0 = (int64_t)(blockIdx.x % query_tiles) * tile_queries;
    const int v0 = (int)(blockIdx.x / query_tiles % slices) * columns;
    const attention_head h(a, blockIdx.x / query_tiles / slices);
    const int64_t q_pitch = (int64_t)a.heads * a.d, v_pitch = (int64_t)a.heads * a.dv;
    const int64_t key_end = keys_seen(a, q0 + tile_queries);
    const int values = a.dv - v0 < columns ? a.dv - v0 : columns;
    const int lane = threadIdx.x % 32;
    const int64_t warp_query = q0 + threadIdx.x / 32 * warp_queries;
    const auto start_tile = [&](int64_t k0, int buffer) {
        start_copy(mem.k(buffer), tile_keys, h.k<T>(a), q_pitch, k0, a.keys, a.d, padded_d);
        start_copy(mem.v(buffer), tile_keys, h.v<T>(a) + v0, v_pitch, k0, a.keys, values, columns);
    };

    running<columns> state;
    start_copy(mem.q(), tile_queries, h.q<T>(a), q_pitch, q0, a.queries, a.d, padded_d);
    start_tile(0, 0);
    commit_copies();
    int buffer = 0;
    for (int64_t k0 = 0; k0 < key_end; k0 += tile_keys, buffer ^= 1) {
        if (k0 + tile_keys < key_end) start_tile(k0 + tile_keys, buffer ^ 1);
        commit_copies();
        wait_for_copies<1>();
        __syncthreads(); /* this tile is there, all of it */
        float score[tile_keys / 8][4];
        multiply_keys<T, tile_keys>(score, mem.q(), mem.k(buffer), padded_d);
        const bool all_seen = !a.bias && k0 + tile_keys <= keys_seen(a, warp_query + 1);
#pragma unroll
        for (int n = 0; n < tile_keys / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                score[n][i] = all_seen ? score[n][i] * (float)a.scale
                                       : score_of(a, h.head, warp_query + lane / 4 + i / 2 * 8,
                                                  k0 + n * 8 + lane % 4 * 2 + i % 2, score[n][i]);
        state.template take<tile_keys>(score);
        state.template add_values<T, tile_keys>(score, mem.v(buffer));
        __syncthreads(); /* its buffer may be filled again */
    }
    state.finish();
#pragma unroll
    for (int of = 0; of < 2; of++) {
        const int64_t query = warp_query + lane / 4 + of * 8;
        if (query >= a.queries) continue;
        T *out = h.out<T>(a) + query * v_pitch + v0;
#pragma unroll
        for (int n = 0; n < columns / 8; n++)
            if (n * 8 < values)
                *reinterpret_cast<uint32_t *>(out + n * 8 + lane % 4 * 2) =
                    pair_of<T>::pack(state.out[n][2 * of] / state.sum[of], state.out[n][2 * of + 1] / state.sum[of]);
    }
}

template <class T, int columns, int tile_keys> cudaError_t run(const df_cuda_attention_args &a, cudaStream_t stream) {
    constexpr int widest = columns < widest_slice ? columns : widest_head;
    static_assert(tiles<T, columns, tile_keys>::bytes(widest) <= shared_limit,
                  "more shared memory than a block may have");
    const int64_t query_tiles = (a.queries + tile_queries - 1) / tile_queries, slices = (a.dv + columns - 1) / columns;
    return launch(flash_attention<T, columns, tile_keys>, a.rows * a.heads * slices * query_tiles, n_threads,
                  tiles<T, columns, tile_keys>::bytes(padded_to_16(a.d)), stream, a, query_tiles, slices);
}

/* Heads of 40, 64, 80, 128, 160 and beyond: the narrower, the more keys a tile has. */
template <class T> cudaError_t run_for_width(const df_cuda_attention_args &a, cudaStream_t stream) {
    const int of_values = a.dv < widest_slice ? a.dv : widest_slice, width = a.d > of_values ? a.d : of_values;
    if (width <= 48) return run<T, 48, 64>(a, stream);
    if (width <= 64) return run<T, 64, 64>(a, stream);
    if (width <= 80) return run<T, 80, 64>(a, stream);
    if (width <= 128) return run<T, 128, 32>(a, stream);
    if (width <= 160) return run<T, 160, 32>(a, stream);
    return run<T, widest_slice, 16>(a, stream);
}

} // namespace

cudaError_t attention_on_tensor_cores(df_dtype type, const df_cuda_attention_args &a, cudaStream_t stream) {
    if (type == DF_F16) return run_for_width<__half>(a, stream);
    return run_for_width<__nv_bfloat16>(a, stream);
}

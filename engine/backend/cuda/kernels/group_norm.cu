/* group_norm in three launches: statistics of each chunk of positions, of the whole picture, and the result. A group's
 * channels are a short run in every position, so a block takes all channels of several groups and reads whole lines. */
#include "activation.cuh"
#include "pointwise.cuh"

namespace {

constexpr int chunk_positions = 64; /* of this alone and of the shape follows the order of sums */
constexpr int warps_per_block = threads_per_block / 32;

struct chunk_moments {
    double mean, squares; /* sum of squared distances from the mean */
};

struct group_moments {
    centre mean;
    float inverse; /* 1 / sqrt(var + eps) */
    float unused;
};

/* Divisors are 32 bits wide: a division by 64 takes a call, and the registers that it saves. */
struct picture {
    int64_t positions;
    int channels, groups, width; /* width: channels of a group */
    unsigned chunks, tiles;
    int tile_groups; /* groups that a block takes */
    __host__ __device__ int chunk_length(int64_t chunk) const {
        const int64_t left = positions - chunk * chunk_positions;
        return (int)(left < chunk_positions ? left : chunk_positions);
    }
};

picture picture_of(int64_t positions, int64_t channels, int64_t groups) {
    const int width = (int)(channels / groups), most = threads_per_block * run_length / width;
    picture p = { positions, (int)channels, (int)groups, width, 0, 0, 0 };
    p.chunks = (unsigned)((positions + chunk_positions - 1) / chunk_positions);
    p.tile_groups = most < 1 ? 1 : most < groups ? most : (int)groups;
    p.tiles = (unsigned)((groups + p.tile_groups - 1) / p.tile_groups);
    return p;
}

/* A block's share of a row. Its threads lie in `columns` of run_length channels and `lines` that share the positions.
 */
struct tile {
    int first_group, groups, channels, columns, lines;
    __host__ __device__ tile(const picture &p, unsigned index) {
        first_group = (int)index * p.tile_groups;
        groups = p.groups - first_group < p.tile_groups ? p.groups - first_group : p.tile_groups;
        channels = groups * p.width;
        columns = (channels + run_length - 1) / run_length;
        lines = columns < threads_per_block ? threads_per_block / columns : 1;
    }
};

/* sums [lines][channels] = term(x, channel) summed over the positions of a line; x at the tile's first channel. */
template <bool wide, class T, class F>
__device__ void sum_columns(float *sums, const T *x, int positions, const picture &p, const tile &of, F term) {
    for (int work = threadIdx.x; work < of.columns * of.lines; work += threads_per_block) {
        const int first = work % of.columns * run_length, line = work / of.columns, valid = of.channels - first;
        numbers<run_length> sum = {};
        for (int position = line; position < positions; position += of.lines) {
            const numbers<run_length> v = load_run<wide>(x + (int64_t)position * p.channels + first, valid);
            for (int k = 0; k < run_length; k++)
                if (first + k < of.channels) sum.v[k] += term(v.v[k], first + k);
        }
        for (int k = 0; k < run_length; k++)
            if (first + k < of.channels) sums[line * of.channels + first + k] = sum.v[k];
    }
}

/* By a warp; every lane gets it. */
__device__ inline double sum_of_group(const float *sums, const picture &p, const tile &of, int group) {
    double sum = 0.0;
    for (int e = threadIdx.x % 32; e < of.lines * p.width; e += 32)
        sum += (double)sums[e / p.width * of.channels + group * p.width + e % p.width];
    return warp_sum(sum);
}

/* out [rows][chunks][groups] */
template <bool wide, class T>
__global__ void __launch_bounds__(threads_per_block) chunk_statistics(chunk_moments *out, const T *x, const picture p) {
    DF_SHARED_DYNAMIC(double, means);
    const tile of(p, blockIdx.x % p.tiles);
    const int64_t chunk = blockIdx.x / p.tiles % p.chunks, row = blockIdx.x / p.tiles / p.chunks;
    const int length = p.chunk_length(chunk);
    float *sums = reinterpret_cast<float *>(means + p.tile_groups);
    x += (row * p.positions + chunk * chunk_positions) * p.channels + of.first_group * p.width;
    out += (row * p.chunks + chunk) * p.groups + of.first_group;

    sum_columns<wide>(sums, x, length, p, of, [](float v, int) { return v; });
    __syncthreads();
    for (int g = threadIdx.x / 32; g < of.groups; g += warps_per_block) {
        const double sum = sum_of_group(sums, p, of, g);
        if (threadIdx.x % 32 == 0) means[g] = sum / (double)(length * p.width);
    }
    __syncthreads();
    sum_columns<wide>(sums, x, length, p, of, [=](float v, int channel) {
        const float d = from_centre(v, centre_at(means[channel / p.width]));
        return d * d;
    });
    __syncthreads();
    for (int g = threadIdx.x / 32; g < of.groups; g += warps_per_block) {
        const double squares = sum_of_group(sums, p, of, g);
        if (threadIdx.x % 32 == 0) out[g] = { means[g], squares };
    }
}

/* A warp for each group of a row. */
__global__ void __launch_bounds__(threads_per_block)
    combine_chunks(group_moments *out, const chunk_moments *in, int64_t rows, const picture p, double eps) {
    const int64_t index = (int64_t)blockIdx.x * warps_per_block + threadIdx.x / 32;
    if (index >= rows * p.groups) return;
    const int64_t row = index / p.groups;
    const double n = (double)(p.positions * p.width);
    in += row * p.chunks * p.groups + index % p.groups;
    double sum = 0.0, squares = 0.0;
    for (int64_t c = threadIdx.x % 32; c < p.chunks; c += 32)
        sum += in[c * p.groups].mean * (double)(p.chunk_length(c) * p.width);
    const double mean = warp_sum(sum) / n;
    for (int64_t c = threadIdx.x % 32; c < p.chunks; c += 32) {
        const double apart = in[c * p.groups].mean - mean;
        squares += in[c * p.groups].squares + apart * apart * (double)(p.chunk_length(c) * p.width);
    }
    squares = warp_sum(squares);
    if (threadIdx.x % 32 == 0) out[index] = { centre_at(mean), (float)(1.0 / sqrt(squares / n + eps)), 0.0f };
}

template <class T> struct normalised {
    const T *x;
    const float *gamma, *beta;
    const group_moments *moments; /* [rows][groups] */
    int64_t row_elements, channels, groups, width;
    df_act act;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t first = i % channels;
        const group_moments *of = moments + i / row_elements * groups + first / width;
        int64_t left = width - first % width;
        numbers<V> y = load<V>(x + i), by, plus;
        if (gamma) by = load<V>(gamma + first);
        if (gamma) plus = load<V>(beta + first);
        for (int k = 0; k < V; k++, left--) {
            if (left == 0) {
                of++;
                left = width;
            }
            y.v[k] = from_centre(y.v[k], of->mean) * of->inverse;
            if (gamma) y.v[k] = y.v[k] * by.v[k] + plus.v[k];
            y.v[k] = apply_act(y.v[k], act);
        }
        return y;
    }
};

template <class T>
cudaError_t start_statistics(chunk_moments *out, const T *x, int64_t rows, const picture &p, cudaStream_t stream) {
    const tile whole(p, 0);
    const size_t shared_bytes =
        (size_t)p.tile_groups * sizeof(double) + (size_t)(whole.lines * whole.channels) * sizeof(float);
    const bool wide = are_aligned(x) && p.channels % run_length == 0 && p.tile_groups * p.width % run_length == 0;
    return launch(wide ? chunk_statistics<true, T> : chunk_statistics<false, T>, rows * p.chunks * p.tiles,
                  threads_per_block, shared_bytes, stream, out, x, p);
}

size_t chunk_bytes(int64_t rows, const picture &p) {
    return (size_t)(rows * p.chunks * p.groups) * sizeof(chunk_moments);
}

} // namespace

size_t df_cuda_group_norm_scratch_bytes(int64_t rows, int64_t positions, int64_t channels, int64_t groups) {
    return chunk_bytes(rows, picture_of(positions, channels, groups)) + (size_t)(rows * groups) * sizeof(group_moments);
}

cudaError_t df_cuda_group_norm(df_dtype type, void *y, const void *x, const float *gamma, const float *beta,
                               int64_t rows, int64_t positions, int64_t channels, int64_t groups, double eps,
                               df_act act, void *scratch, cudaStream_t stream) {
    const picture p = picture_of(positions, channels, groups);
    chunk_moments *chunks = (chunk_moments *)scratch;
    group_moments *whole = (group_moments *)((char *)scratch + chunk_bytes(rows, p));
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const int64_t row_elements = positions * channels;
        cudaError_t rc = start_statistics(chunks, (const T *)x, rows, p, stream);
        if (rc == cudaSuccess)
            rc = launch(combine_chunks, (rows * groups + warps_per_block - 1) / warps_per_block, threads_per_block, 0,
                        stream, whole, chunks, rows, p, eps);
        if (rc != cudaSuccess) return rc;
        const normalised<T> f = { (const T *)x, gamma, beta, whole, row_elements, channels, groups, p.width, act };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * row_elements, channels, are_aligned(y, x, gamma, beta),
                                          stream);
    });
}

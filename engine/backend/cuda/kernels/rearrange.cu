/* Elements at other places: concat, slice, upsample_nearest, pad, unpatchify, transpose. */
#include "pointwise.cuh"

namespace {

template <class T> struct side_by_side {
    const T *a, *b;
    int64_t ca, cb;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t place = i / (ca + cb), c = i % (ca + cb);
        return load<V>(c < ca ? a + place * ca + c : b + place * cb + c - ca);
    }
};

template <class T> struct part_of {
    const T *x;
    int64_t width, first, count;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        return load<V>(x + i / count * width + first + i % count);
    }
};

/* df_nearest_source, for the device. */
__device__ inline int64_t nearest_source(int64_t i, int64_t in, int64_t out) {
    const int64_t at = (int64_t)floorf((float)i * ((float)in / (float)out));
    return at < in - 1 ? at : in - 1;
}

template <class T> struct nearest {
    const T *x;
    int64_t h, w, to_h, to_w, channels;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t pixel = i / channels, line = pixel / to_w, row = line / to_h;
        const int64_t y = nearest_source(line % to_h, h, to_h), column = nearest_source(pixel % to_w, w, to_w);
        return load<V>(x + ((row * h + y) * w + column) * channels + i % channels);
    }
};

template <class T> struct padded {
    const T *x;
    int64_t h, w, top, left, to_h, to_w, channels;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t pixel = i / channels, line = pixel / to_w, row = line / to_h;
        const int64_t y = line % to_h - top, column = pixel % to_w - left;
        if (y < 0 || y >= h || column < 0 || column >= w) return {};
        return load<V>(x + ((row * h + y) * w + column) * channels + i % channels);
    }
};

template <class T> struct unpatched {
    const T *x;
    int64_t h, w, patch, channels; /* h, w in patches */
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t pixel = i / channels, column = pixel % (w * patch), line = pixel / (w * patch);
        const int64_t row = line / (h * patch), y = line % (h * patch);
        const int64_t token = (row * h + y / patch) * w + column / patch, place = y % patch * patch + column % patch;
        return load<V>(x + (token * patch * patch + place) * channels + i % channels);
    }
};

constexpr int side = 32, lines_at_once = threads_per_block / side;

/* A tile of side x side through shared memory, read along its lines and written along its columns. A line more than
 * the side keeps the columns in different banks. */
template <class T>
__global__ void __launch_bounds__(threads_per_block)
    transpose(T *y, const T *x, int64_t height, int64_t width, int64_t tiles_down, int64_t tiles_across) {
    DF_SHARED(T, tile, side * (side + 1));
    const int64_t row = blockIdx.x / (tiles_down * tiles_across), base = row * height * width;
    const int64_t top = blockIdx.x / tiles_across % tiles_down * side, left = blockIdx.x % tiles_across * side;
    const int along = threadIdx.x % side;
    for (int line = threadIdx.x / side; line < side; line += lines_at_once)
        if (top + line < height && left + along < width)
            tile[line * (side + 1) + along] = x[base + (top + line) * width + left + along];
    __syncthreads();
    for (int line = threadIdx.x / side; line < side; line += lines_at_once)
        if (left + line < width && top + along < height)
            y[base + (left + line) * height + top + along] = tile[along * (side + 1) + line];
}

} // namespace

cudaError_t df_cuda_concat(df_dtype type, void *y, const void *a, int64_t ca, const void *b, int64_t cb, int64_t places,
                           cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        constexpr int wide = wide_for<T>;
        const side_by_side<T> f = { (const T *)a, (const T *)b, ca, cb };
        return run_pointwise<wide>((T *)y, f, places * (ca + cb), ca, are_aligned(y, a, b) && cb % wide == 0, stream);
    });
}

cudaError_t df_cuda_slice(df_dtype type, void *y, const void *x, int64_t width, int64_t first, int64_t count,
                          int64_t places, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        constexpr int wide = wide_for<T>;
        const part_of<T> f = { (const T *)x, width, first, count };
        return run_pointwise<wide>((T *)y, f, places * count, count,
                                   are_aligned(y, x) && width % wide == 0 && first % wide == 0, stream);
    });
}

cudaError_t df_cuda_upsample_nearest(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w,
                                     int64_t to_h, int64_t to_w, int64_t channels, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const nearest<T> f = { (const T *)x, h, w, to_h, to_w, channels };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * to_h * to_w * channels, channels, are_aligned(y, x),
                                          stream);
    });
}

cudaError_t df_cuda_pad(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t top,
                        int64_t left, int64_t to_h, int64_t to_w, int64_t channels, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const padded<T> f = { (const T *)x, h, w, top, left, to_h, to_w, channels };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * to_h * to_w * channels, channels, are_aligned(y, x),
                                          stream);
    });
}

cudaError_t df_cuda_unpatchify(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t patch,
                               int64_t channels, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const unpatched<T> f = { (const T *)x, h, w, patch, channels };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * h * w * patch * patch * channels, channels,
                                          are_aligned(y, x), stream);
    });
}

cudaError_t df_cuda_transpose(df_dtype type, void *y, const void *x, int64_t rows, int64_t height, int64_t width,
                              cudaStream_t stream) {
    const int64_t down = (height + side - 1) / side, across = (width + side - 1) / side;
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return launch(transpose<T>, rows * down * across, threads_per_block, 0, stream, (T *)y, (const T *)x, height,
                      width, down, across);
    });
}

/* What each launcher of kernels.h and sampling.h reads and writes. The linker puts these in front of the launchers
 * (--wrap, CMakeLists.txt). */
#include "engine/backend/cuda/kernels/kernels.h"
#include "engine/backend/cuda/kernels/sampling.h"
#include "tests/engine/backend/cuda/double/launch.h"

#define WRAP(name, ...)                                                                                                \
    cudaError_t __real_##name(__VA_ARGS__);                                                                            \
    cudaError_t __wrap_##name(__VA_ARGS__);                                                                            \
    cudaError_t __wrap_##name(__VA_ARGS__)

static void reads(df_dtype type, const void *x, int64_t n) {
    launch_reads(x, (size_t)n * df_dtype_bytes(type));
}

static void writes(df_dtype type, void *y, int64_t n) {
    launch_writes(y, (size_t)n * df_dtype_bytes(type));
}

static void reads_f32(const float *x, int64_t n) {
    reads(DF_F32, x, n);
}

static void writes_f32(float *y, int64_t n) {
    writes(DF_F32, y, n);
}

/* element by element */

WRAP(df_cuda_activation, df_dtype type, void *y, const void *x, int64_t n, df_act act, cudaStream_t s) {
    reads(type, x, n);
    writes(type, y, n);
    return launch_end(__real_df_cuda_activation(type, y, x, n, act, s));
}

WRAP(df_cuda_add, df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t s) {
    reads(type, a, n);
    reads(type, b, n);
    writes(type, y, n);
    return launch_end(__real_df_cuda_add(type, y, a, b, n, s));
}

WRAP(df_cuda_mul, df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t s) {
    reads(type, a, n);
    reads(type, b, n);
    writes(type, y, n);
    return launch_end(__real_df_cuda_mul(type, y, a, b, n, s));
}

WRAP(df_cuda_scale, df_dtype type, void *y, const void *x, int64_t n, double by, double plus, cudaStream_t s) {
    reads(type, x, n);
    writes(type, y, n);
    return launch_end(__real_df_cuda_scale(type, y, x, n, by, plus, s));
}

WRAP(df_cuda_geglu, df_dtype type, void *y, const void *x, int64_t places, int64_t width, cudaStream_t s) {
    reads(type, x, 2 * places * width);
    writes(type, y, places * width);
    return launch_end(__real_df_cuda_geglu(type, y, x, places, width, s));
}

WRAP(df_cuda_convert, df_dtype to, void *y, df_dtype from, const void *x, int64_t n, cudaStream_t s) {
    reads(from, x, n);
    writes(to, y, n);
    return launch_end(__real_df_cuda_convert(to, y, from, x, n, s));
}

/* with vectors per row and channel */

WRAP(df_cuda_add_channel, df_dtype type, void *y, const void *x, const void *v, int64_t rows, int64_t positions,
     int64_t channels, cudaStream_t s) {
    reads(type, x, rows * positions * channels);
    reads(type, v, rows * channels);
    writes(type, y, rows * positions * channels);
    return launch_end(__real_df_cuda_add_channel(type, y, x, v, rows, positions, channels, s));
}

WRAP(df_cuda_modulate, df_dtype type, void *y, const void *x, const void *shift, const void *scale, int64_t rows,
     int64_t positions, int64_t channels, cudaStream_t s) {
    reads(type, x, rows * positions * channels);
    reads(type, shift, rows * channels);
    reads(type, scale, rows * channels);
    writes(type, y, rows * positions * channels);
    return launch_end(__real_df_cuda_modulate(type, y, x, shift, scale, rows, positions, channels, s));
}

WRAP(df_cuda_gate, df_dtype type, void *y, const void *x, const void *gate, const void *residual, int64_t rows,
     int64_t positions, int64_t channels, cudaStream_t s) {
    reads(type, x, rows * positions * channels);
    reads(type, gate, rows * channels);
    reads(type, residual, rows * positions * channels);
    writes(type, y, rows * positions * channels);
    return launch_end(__real_df_cuda_gate(type, y, x, gate, residual, rows, positions, channels, s));
}

WRAP(df_cuda_apply_epilogue, df_dtype type, void *y, const void *x, const df_cuda_epilogue *e, int64_t rows,
     int64_t positions, int64_t channels, cudaStream_t s) {
    reads(type, x, rows * positions * channels);
    reads_f32(e->bias, channels);
    reads(type, e->add_channel, rows * channels);
    reads(type, e->residual, rows * positions * channels);
    writes(type, y, rows * positions * channels);
    return launch_end(__real_df_cuda_apply_epilogue(type, y, x, e, rows, positions, channels, s));
}

/* rearrangement */

WRAP(df_cuda_concat, df_dtype type, void *y, const void *a, int64_t ca, const void *b, int64_t cb, int64_t places,
     cudaStream_t s) {
    reads(type, a, places * ca);
    reads(type, b, places * cb);
    writes(type, y, places * (ca + cb));
    return launch_end(__real_df_cuda_concat(type, y, a, ca, b, cb, places, s));
}

WRAP(df_cuda_slice, df_dtype type, void *y, const void *x, int64_t width, int64_t first, int64_t count, int64_t places,
     cudaStream_t s) {
    const char *begin = (const char *)x + (size_t)first * df_dtype_bytes(type);
    reads(type, begin, (places - 1) * width + count);
    writes(type, y, places * count);
    return launch_end(__real_df_cuda_slice(type, y, x, width, first, count, places, s));
}

WRAP(df_cuda_upsample_nearest, df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t to_h,
     int64_t to_w, int64_t channels, cudaStream_t s) {
    reads(type, x, rows * h * w * channels);
    writes(type, y, rows * to_h * to_w * channels);
    return launch_end(__real_df_cuda_upsample_nearest(type, y, x, rows, h, w, to_h, to_w, channels, s));
}

WRAP(df_cuda_pad, df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t top, int64_t left,
     int64_t to_h, int64_t to_w, int64_t channels, cudaStream_t s) {
    reads(type, x, rows * h * w * channels);
    writes(type, y, rows * to_h * to_w * channels);
    return launch_end(__real_df_cuda_pad(type, y, x, rows, h, w, top, left, to_h, to_w, channels, s));
}

WRAP(df_cuda_unpatchify, df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t patch,
     int64_t channels, cudaStream_t s) {
    int64_t n = rows * h * w * patch * patch * channels;
    reads(type, x, n);
    writes(type, y, n);
    return launch_end(__real_df_cuda_unpatchify(type, y, x, rows, h, w, patch, channels, s));
}

WRAP(df_cuda_transpose, df_dtype type, void *y, const void *x, int64_t rows, int64_t height, int64_t width,
     cudaStream_t s) {
    reads(type, x, rows * height * width);
    writes(type, y, rows * height * width);
    return launch_end(__real_df_cuda_transpose(type, y, x, rows, height, width, s));
}

/* tables */

WRAP(df_cuda_embedding, df_dtype type, void *y, const int32_t *ids, const void *token, const void *position,
     int64_t rows, int64_t tokens, int64_t d, int64_t vocab, cudaStream_t s) {
    reads(DF_I32, ids, rows * tokens);
    reads(type, token, vocab * d);
    reads(type, position, tokens * d);
    writes(type, y, rows * tokens * d);
    return launch_end(__real_df_cuda_embedding(type, y, ids, token, position, rows, tokens, d, vocab, s));
}

WRAP(df_cuda_check_ids, int32_t *fault, const int32_t *ids, int64_t n, int64_t vocab, int32_t tag, cudaStream_t s) {
    reads(DF_I32, ids, n);
    reads(DF_I32, fault, 2);
    writes(DF_I32, fault, 2);
    return launch_end(__real_df_cuda_check_ids(fault, ids, n, vocab, tag, s));
}

WRAP(df_cuda_timestep_embedding, df_dtype type, void *y, const double *t, int64_t n, const df_timestep_attr *a,
     cudaStream_t s) {
    reads(DF_F64, t, n);
    writes(type, y, n * a->dim);
    return launch_end(__real_df_cuda_timestep_embedding(type, y, t, n, a, s));
}

WRAP(df_cuda_add_constant, df_dtype type, void *y, const void *x, const void *table, int64_t rows, int64_t h, int64_t w,
     int64_t channels, int64_t grid_h, int64_t grid_w, cudaStream_t s) {
    reads(type, x, rows * h * w * channels);
    reads(type, table, (grid_h ? grid_h * grid_w : h * w) * channels);
    writes(type, y, rows * h * w * channels);
    return launch_end(__real_df_cuda_add_constant(type, y, x, table, rows, h, w, channels, grid_h, grid_w, s));
}

WRAP(df_cuda_quantize, df_dtype type, void *y, const void *x, const float *codebook, int64_t places, int64_t channels,
     int64_t vocab, cudaStream_t s) {
    reads(type, x, places * channels);
    reads_f32(codebook, vocab * channels);
    writes(type, y, places * channels);
    return launch_end(__real_df_cuda_quantize(type, y, x, codebook, places, channels, vocab, s));
}

/* norms */

WRAP(df_cuda_group_norm, df_dtype type, void *y, const void *x, const float *gamma, const float *beta, int64_t rows,
     int64_t positions, int64_t channels, int64_t groups, double eps, df_act act, void *scratch, cudaStream_t s) {
    reads(type, x, rows * positions * channels);
    reads_f32(gamma, channels);
    reads_f32(beta, channels);
    launch_writes(scratch, df_cuda_group_norm_scratch_bytes(rows, positions, channels, groups));
    writes(type, y, rows * positions * channels);
    return launch_end(
        __real_df_cuda_group_norm(type, y, x, gamma, beta, rows, positions, channels, groups, eps, act, scratch, s));
}

WRAP(df_cuda_layer_norm, df_dtype type, void *y, const void *x, const float *gamma, const float *beta, int64_t places,
     int64_t d, double eps, df_act act, cudaStream_t s) {
    reads(type, x, places * d);
    reads_f32(gamma, d);
    reads_f32(beta, d);
    writes(type, y, places * d);
    return launch_end(__real_df_cuda_layer_norm(type, y, x, gamma, beta, places, d, eps, act, s));
}

WRAP(df_cuda_rms_norm, df_dtype type, void *y, const void *x, const float *gamma, int64_t places, int64_t d, double eps,
     cudaStream_t s) {
    reads(type, x, places * d);
    reads_f32(gamma, d);
    writes(type, y, places * d);
    return launch_end(__real_df_cuda_rms_norm(type, y, x, gamma, places, d, eps, s));
}

/* attention */

static bool plain_attention;

void launch_attention_plainly(bool so) {
    plain_attention = so;
}

WRAP(df_cuda_attention, df_dtype type, const df_cuda_attention_args *a, cudaStream_t s) {
    reads(type, a->q, a->rows * a->queries * a->heads * a->d);
    reads(type, a->k, a->rows * a->keys * a->heads * a->d);
    reads(type, a->v, a->rows * a->keys * a->heads * a->dv);
    reads_f32(a->bias, a->heads * (a->queries + a->keys - 1));
    writes(type, a->out, a->rows * a->queries * a->heads * a->dv);
    return launch_end(plain_attention ? launch_attention(type, a, s) : __real_df_cuda_attention(type, a, s));
}

/* around the graph */

WRAP(df_cuda_normal, float *out, int64_t n, uint64_t seed, uint64_t offset, uint32_t grid, cudaStream_t s) {
    writes_f32(out, n);
    return launch_end(__real_df_cuda_normal(out, n, seed, offset, grid, s));
}

WRAP(df_cuda_guidance, float *out, df_dtype type, const void *cond, const void *uncond, float scale, int64_t n,
     cudaStream_t s) {
    reads(type, cond, n);
    reads(type, uncond, n);
    writes_f32(out, n);
    return launch_end(__real_df_cuda_guidance(out, type, cond, uncond, scale, n, s));
}

WRAP(df_cuda_guidance_rescale, float *out, df_dtype type, const void *cond, float amount, int64_t n, cudaStream_t s) {
    reads_f32(out, n);
    reads(type, cond, n);
    writes_f32(out, n);
    return launch_end(__real_df_cuda_guidance_rescale(out, type, cond, amount, n, s));
}

WRAP(df_cuda_combine, float *out, const df_term *terms, int n_terms, int64_t n, cudaStream_t s) {
    for (int i = 0; i < n_terms; i++) reads_f32(terms[i].x, n);
    writes_f32(out, n);
    return launch_end(__real_df_cuda_combine(out, terms, n_terms, n, s));
}

WRAP(df_cuda_predict, float *out, df_predicted what, df_prediction kind, float a, float b, const float *x,
     const float *predicted, int64_t n, cudaStream_t s) {
    reads_f32(x, n);
    reads_f32(predicted, n);
    writes_f32(out, n);
    return launch_end(__real_df_cuda_predict(out, what, kind, a, b, x, predicted, n, s));
}

WRAP(df_cuda_divide, float *out, const float *x, const float *y, float by, int64_t n, cudaStream_t s) {
    reads_f32(x, n);
    reads_f32(y, n);
    writes_f32(out, n);
    return launch_end(__real_df_cuda_divide(out, x, y, by, n, s));
}

WRAP(df_cuda_clip, float *x, float limit, int64_t n, cudaStream_t s) {
    reads_f32(x, n);
    writes_f32(x, n);
    return launch_end(__real_df_cuda_clip(x, limit, n, s));
}

WRAP(df_cuda_blend, float *x, const float *under, const float *mask, int64_t n, int64_t plane, cudaStream_t s) {
    reads_f32(x, n);
    reads_f32(under, n);
    reads_f32(mask, plane);
    writes_f32(x, n);
    return launch_end(__real_df_cuda_blend(x, under, mask, n, plane, s));
}

WRAP(df_cuda_find_not_finite, int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n, cudaStream_t s) {
    reads(type, x, rows * n);
    reads(DF_I32, bad, rows);
    writes(DF_I32, bad, rows);
    return launch_end(__real_df_cuda_find_not_finite(bad, type, x, rows, n, s));
}

WRAP(df_cuda_picture, uint8_t *rgb, int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n,
     cudaStream_t s) {
    reads(type, x, rows * n);
    reads(DF_I32, bad, rows);
    writes(DF_I32, bad, rows);
    writes(DF_U8, rgb, rows * n);
    return launch_end(__real_df_cuda_picture(rgb, bad, type, x, rows, n, s));
}

/* conv2d, and upsample_conv2d: the convolution of a picture that is upsampled before, in scratch. A convolution that
 * looks at one pixel is a linear layer over the pixels. */
#include "engine/backend/cuda/convolution.h"
#include "engine/backend/cuda/product.h"

static bool is_linear(const df_kernel *k) {
    const df_conv_attr *a = &k->node->attr.conv;
    return a->kernel == 1 && a->stride == 1 && !a->pad.top && !a->pad.left && !a->pad.bottom && !a->pad.right;
}

static df_code open_conv2d(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape in = df_cuda_in_shape(k, 0), out = df_cuda_out_shape(k);
    if (is_linear(k)) return df_cuda_product_open(k, in.dim[0] * in.dim[1], in.dim[2], out.dim[2], weights, err);
    return df_cuda_convolution_open((df_cuda_convolution **)&k->state, k, in, k->node->attr.conv, weights, err);
}

static size_t conv2d_weight_bytes(const df_kernel *k) {
    return is_linear(k) ? df_cuda_product_weight_bytes(k) : df_cuda_convolution_weight_bytes(k);
}

static void close_conv2d(df_kernel *k) {
    if (is_linear(k))
        df_cuda_product_close(k);
    else
        df_cuda_convolution_close(k, k->state);
}

static df_code prepare_conv2d(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (is_linear(k)) return df_cuda_product_prepare(k, n_rows, scratch_bytes, err);
    *scratch_bytes = df_cuda_convolution_scratch_bytes(k, k->state, n_rows);
    return DF_OK;
}

static df_code run_conv2d(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    if (is_linear(k)) return df_cuda_product_run(k, r, err);
    return df_cuda_convolution_run(k, k->state, r, r->in[0], r->scratch, err);
}

const df_cuda_op df_cuda_op_conv2d = { .open = open_conv2d,
                                       .weight_bytes = conv2d_weight_bytes,
                                       .close = close_conv2d,
                                       .prepare = prepare_conv2d,
                                       .run = run_conv2d,
                                       .does_all = true };

/* The picture of twice the size. */
static df_shape upsampled(const df_kernel *k) {
    df_shape s = df_cuda_in_shape(k, 0);
    s.dim[0] *= 2;
    s.dim[1] *= 2;
    return s;
}

static size_t upsampled_bytes(const df_kernel *k, int64_t n_rows) {
    return df_cuda_part((size_t)(n_rows * df_shape_elements(upsampled(k))) * k->ctx->unit);
}

static df_code open_upsample(df_kernel *k, const float *const *weights, df_err *err) {
    return df_cuda_convolution_open((df_cuda_convolution **)&k->state, k, upsampled(k), k->node->attr.conv, weights,
                                    err);
}

static void close_upsample(df_kernel *k) {
    df_cuda_convolution_close(k, k->state);
}

static df_code prepare_upsample(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    (void)err;
    *scratch_bytes = upsampled_bytes(k, n_rows) + df_cuda_convolution_scratch_bytes(k, k->state, n_rows);
    return DF_OK;
}

static df_code run_upsample(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    df_shape x = df_cuda_in_shape(k, 0), large = upsampled(k);
    df_code rc =
        df_cuda_launched(df_cuda_upsample_nearest(k->ctx->dtype, r->scratch, r->in[0], r->n_rows, x.dim[0], x.dim[1],
                                                  large.dim[0], large.dim[1], x.dim[2], k->ctx->stream),
                         err);
    return rc ? rc
              : df_cuda_convolution_run(k, k->state, r, r->scratch, r->scratch + upsampled_bytes(k, r->n_rows), err);
}

const df_cuda_op df_cuda_op_upsample_conv2d = { .open = open_upsample,
                                                .weight_bytes = df_cuda_convolution_weight_bytes,
                                                .close = close_upsample,
                                                .prepare = prepare_upsample,
                                                .run = run_upsample,
                                                .does_all = true };

#include "engine/backend/cuda/convolution.h"

#include <limits.h>
#include <stdlib.h>

#include "engine/backend/cuda/rest.h"

enum { ALIGNED = 16 };

struct df_cuda_convolution {
    df_conv_attr attr;
    df_shape in, padded, out; /* padded: as the library gets it; in, where nothing is padded before */
    void *w; /* [out][k][k][C] as activations */
    float *bias; /* [out], NULL: none */
    df_cuda_rest rest;
    cudnnTensorDescriptor_t x, y; /* of one picture */
    cudnnFilterDescriptor_t filter;
    cudnnConvolutionDescriptor_t conv;
    cudnnConvolutionFwdAlgo_t algo;
    size_t workspace_bytes;
};

/* Both neither search for the fastest nor add in an order that changes from run to run. */
static const cudnnConvolutionFwdAlgo_t algorithms[] = { CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
                                                        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM };
enum { N_ALGORITHMS = sizeof algorithms / sizeof *algorithms };

static bool pads_before(const df_cuda_convolution *c) {
    return c->attr.pad.top != c->attr.pad.bottom || c->attr.pad.left != c->attr.pad.right;
}

/* [out][C][k][k] -> [out][k][k][C] */
static df_code upload_filters(df_kernel *k, df_cuda_convolution *c, const float *from, df_err *err) {
    int64_t taps = (int64_t)c->attr.kernel * c->attr.kernel, channels = c->in.dim[2], n = c->out.dim[2];
    float *to = malloc((size_t)(n * taps * channels) * sizeof *to);
    if (!to) return df_err_set(err, DF_ENOMEM, "%lld weights", (long long)(n * taps * channels));
    for (int64_t o = 0; o < n; o++)
        for (int64_t i = 0; i < channels; i++)
            for (int64_t t = 0; t < taps; t++) to[(o * taps + t) * channels + i] = from[(o * channels + i) * taps + t];
    df_code rc = df_cuda_upload(k->ctx, &c->w, k->ctx->dtype, to, n * taps * channels, err);
    free(to);
    return rc;
}

static df_code describe_picture(const df_kernel *k, cudnnTensorDescriptor_t *t, df_shape s, df_err *err) {
    DF_TRY_DNN("a picture", df_cuda_dnn.tensor_create(t));
    DF_TRY_DNN("a picture", df_cuda_dnn.tensor_set(*t, CUDNN_TENSOR_NHWC, df_cuda_dnn_type(k->ctx->dtype), 1,
                                                   (int)s.dim[2], (int)s.dim[0], (int)s.dim[1]));
    return DF_OK;
}

static df_code describe(const df_kernel *k, df_cuda_convolution *c, df_err *err) {
    const df_conv_attr *a = &c->attr;
    /* f32 is f32: TF32 would keep 10 bits of the products' operands */
    cudnnMathType_t math = k->ctx->dtype == DF_F32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH;
    int pad_h = pads_before(c) ? 0 : a->pad.top, pad_w = pads_before(c) ? 0 : a->pad.left;
    df_code rc = describe_picture(k, &c->x, c->padded, err);
    if (!rc) rc = describe_picture(k, &c->y, c->out, err);
    if (rc) return rc;
    DF_TRY_DNN("weights", df_cuda_dnn.filter_create(&c->filter));
    DF_TRY_DNN("weights", df_cuda_dnn.filter_set(c->filter, df_cuda_dnn_type(k->ctx->dtype), CUDNN_TENSOR_NHWC,
                                                 (int)c->out.dim[2], (int)c->in.dim[2], a->kernel, a->kernel));
    DF_TRY_DNN("a convolution", df_cuda_dnn.conv_create(&c->conv));
    DF_TRY_DNN("a convolution", df_cuda_dnn.conv_set(c->conv, pad_h, pad_w, a->stride, a->stride, 1, 1,
                                                     CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    DF_TRY_DNN("a convolution", df_cuda_dnn.conv_set_math(c->conv, math));
    return DF_OK;
}

/* The first that the library has for this shape. */
static df_code choose(const df_kernel *k, df_cuda_convolution *c, df_err *err) {
    cudnnStatus_t s = CUDNN_STATUS_SUCCESS;
    for (int i = 0; i < N_ALGORITHMS; i++) {
        c->algo = algorithms[i];
        s = df_cuda_dnn.conv_workspace(k->ctx->dnn, c->x, c->filter, c->conv, c->y, c->algo, &c->workspace_bytes);
        if (s == CUDNN_STATUS_SUCCESS) return DF_OK;
    }
    return df_err_set(err, DF_EUNSUPPORTED, "cuDNN has no algorithm for [%lld][%lld][%lld] to %lld channels: %s",
                      (long long)c->in.dim[0], (long long)c->in.dim[1], (long long)c->in.dim[2],
                      (long long)c->out.dim[2], df_cuda_dnn.status_text(s));
}

static bool fits_int(df_shape s) {
    return df_shape_elements(s) <= INT_MAX;
}

df_code df_cuda_convolution_open(df_cuda_convolution **out, df_kernel *k, df_shape in, df_conv_attr attr,
                                 const float *const *weights, df_err *err) {
    const df_node *n = k->node;
    df_cuda_convolution *c = *out = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "a convolution");
    c->attr = attr;
    c->in = c->padded = in;
    c->out = df_cuda_out_shape(k);
    if (pads_before(c)) {
        c->padded.dim[0] += attr.pad.top + attr.pad.bottom;
        c->padded.dim[1] += attr.pad.left + attr.pad.right;
    }
    if (!fits_int(c->padded) || !fits_int(c->out))
        return df_err_set(err, DF_ELIMIT, "cuDNN takes pictures of up to %d numbers", INT_MAX);
    df_code rc = upload_filters(k, c, weights[0], err);
    if (!rc) rc = df_cuda_upload(k->ctx, (void **)&c->bias, DF_F32, weights[1], c->out.dim[2], err);
    c->rest =
        (df_cuda_rest) { .bias = c->bias, .add_channel = true, .act = true, .residual = n->residual != DF_NO_VALUE };
    if (!rc) rc = describe(k, c, err);
    return rc ? rc : choose(k, c, err);
}

void df_cuda_convolution_close(const df_kernel *k, df_cuda_convolution *c) {
    if (!c) return;
    df_cuda_release(k->ctx, c->w);
    df_cuda_release(k->ctx, c->bias);
    if (c->conv) df_cuda_dnn.conv_destroy(c->conv);
    if (c->filter) df_cuda_dnn.filter_destroy(c->filter);
    if (c->y) df_cuda_dnn.tensor_destroy(c->y);
    if (c->x) df_cuda_dnn.tensor_destroy(c->x);
    free(c);
}

size_t df_cuda_convolution_weight_bytes(const df_kernel *k) {
    const df_node *n = k->node;
    size_t bytes = (size_t)df_shape_elements(k->g->weights[n->weight[0]].shape) * k->ctx->unit;
    if (n->weight[1] != DF_NO_WEIGHT) bytes += (size_t)df_cuda_last_dim(df_cuda_out_shape(k)) * sizeof(float);
    return bytes;
}

/* Scratch: the library's workspace; padded pictures; the product, where it does not go to its place at once; a picture
 * and a result where they begin at a multiple of ALIGNED. */
typedef struct parts {
    size_t padded, product, picture, result, all; /* where each begins */
    bool to_product, aligns_x, aligns_y;
    size_t x_bytes, y_bytes; /* of a picture as the library gets it, of a result */
} parts;

static parts parts_of(const df_kernel *k, const df_cuda_convolution *c, int64_t n_rows) {
    size_t n = (size_t)n_rows, unit = k->ctx->unit;
    parts p = { .x_bytes = (size_t)df_shape_elements(c->padded) * unit,
                .y_bytes = (size_t)df_shape_elements(c->out) * unit,
                .to_product = df_cuda_rest_takes_scratch(&c->rest) };
    p.aligns_x = p.x_bytes % ALIGNED && n > 1;
    p.aligns_y = p.y_bytes % ALIGNED && n > 1;
    p.padded = df_cuda_part(c->workspace_bytes);
    p.product = p.padded + (pads_before(c) ? df_cuda_part(n * p.x_bytes) : 0);
    p.picture = p.product + (p.to_product ? df_cuda_part(n * p.y_bytes) : 0);
    p.result = p.picture + (p.aligns_x ? df_cuda_part(p.x_bytes) : 0);
    p.all = p.result + (p.aligns_y ? df_cuda_part(p.y_bytes) : 0);
    return p;
}

size_t df_cuda_convolution_scratch_bytes(const df_kernel *k, const df_cuda_convolution *c, int64_t n_rows) {
    return parts_of(k, c, n_rows).all;
}

static df_code copy(const df_kernel *k, void *to, const void *from, size_t bytes, df_err *err) {
    DF_TRY_CUDA("copying a picture", df_cuda_runtime.copy(to, from, bytes, cudaMemcpyDeviceToDevice, k->ctx->stream));
    return DF_OK;
}

static df_code convolve_row(const df_kernel *k, const df_cuda_convolution *c, const parts *p, char *scratch,
                            const char *x, char *y, df_err *err) {
    const float one = 1, zero = 0;
    void *result = p->aligns_y ? scratch + p->result : y;
    df_code rc = p->aligns_x ? copy(k, scratch + p->picture, x, p->x_bytes, err) : DF_OK;
    if (rc) return rc;
    if (p->aligns_x) x = scratch + p->picture;
    DF_TRY_DNN("a convolution", df_cuda_dnn.conv_forward(k->ctx->dnn, &one, c->x, x, c->filter, c->w, c->conv, c->algo,
                                                         scratch, c->workspace_bytes, &zero, c->y, result));
    return p->aligns_y ? copy(k, y, result, p->y_bytes, err) : DF_OK;
}

static df_code pad(const df_kernel *k, const df_cuda_convolution *c, int64_t n_rows, void *to, const void *x,
                   df_err *err) {
    return df_cuda_launched(df_cuda_pad(k->ctx->dtype, to, x, n_rows, c->in.dim[0], c->in.dim[1], c->attr.pad.top,
                                        c->attr.pad.left, c->padded.dim[0], c->padded.dim[1], c->in.dim[2],
                                        k->ctx->stream),
                            err);
}

df_code df_cuda_convolution_run(const df_kernel *k, const df_cuda_convolution *c, const df_cuda_run *r, const void *x,
                                char *scratch, df_err *err) {
    const parts p = parts_of(k, c, r->n_rows);
    const char *pictures = x;
    char *y = p.to_product ? scratch + p.product : r->out;
    df_code rc = DF_OK;
    if (pads_before(c)) {
        rc = pad(k, c, r->n_rows, scratch + p.padded, x, err);
        pictures = scratch + p.padded;
    }
    for (size_t row = 0; row < (size_t)r->n_rows && !rc; row++)
        rc = convolve_row(k, c, &p, scratch, pictures + row * p.x_bytes, y + row * p.y_bytes, err);
    return rc ? rc : df_cuda_rest_run(k, &c->rest, r, y, err);
}

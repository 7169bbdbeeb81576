/* cuDNN's convolution forward on the double's streams, channels last, computed plainly in f32. Refuses what cuDNN does
 * not do: other layouts and algorithms, pointers that are not aligned, too little workspace. The quicker algorithm is
 * not there for few channels. */
#include "engine/backend/cuda/dnn.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/object.h"
#include "tests/engine/backend/cuda/double/products.h"

enum { ALIGNMENT = 16, FEW_CHANNELS = 8, PLACES = 64 };

static const char a_handle[] = "a handle of cuDNN", a_tensor[] = "a tensor of cuDNN", a_filter[] = "a filter of cuDNN",
                  a_conv[] = "a convolution of cuDNN";

typedef struct handle {
    gpu_object object;
    cudaStream_t stream;
} handle;

typedef struct tensor {
    gpu_object object;
    cudnnTensorFormat_t format;
    cudnnDataType_t type;
    int n, c, h, w;
} tensor; /* a filter's n is what comes out */

typedef struct conv {
    gpu_object object;
    int pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
    cudnnConvolutionMode_t mode;
    cudnnDataType_t compute;
    cudnnMathType_t math;
} conv;

static void *created(const char *kind, size_t bytes) {
    gpu_double_lock();
    void *o = gpu_object_new(kind, bytes);
    gpu_double_unlock();
    return o;
}

static cudnnStatus_t destroyed(const void *object, const char *kind) {
    gpu_double_lock();
    bool was = gpu_object_destroy(object, kind);
    gpu_double_unlock();
    return was ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

static void *found(const void *object, const char *kind) {
    gpu_double_lock();
    void *o = gpu_object_of(object, kind);
    gpu_double_unlock();
    return o;
}

static cudnnStatus_t create(cudnnHandle_t *h) {
    *h = created(a_handle, sizeof(handle));
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t destroy(cudnnHandle_t h) {
    return destroyed(h, a_handle);
}

static cudnnStatus_t set_stream(cudnnHandle_t h, cudaStream_t s) {
    handle *mine = found(h, a_handle);
    if (!mine) return CUDNN_STATUS_BAD_PARAM;
    mine->stream = s;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t tensor_create(cudnnTensorDescriptor_t *t) {
    *t = created(a_tensor, sizeof(tensor));
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t tensor_destroy(cudnnTensorDescriptor_t t) {
    return destroyed(t, a_tensor);
}

static cudnnStatus_t set_shape(tensor *t, const tensor *shape) {
    if (!t || shape->n < 1 || shape->c < 1 || shape->h < 1 || shape->w < 1) return CUDNN_STATUS_BAD_PARAM;
    gpu_object object = t->object;
    *t = *shape;
    t->object = object;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t tensor_set(cudnnTensorDescriptor_t t, cudnnTensorFormat_t format, cudnnDataType_t type, int n,
                                int c, int h, int w) {
    return set_shape(found(t, a_tensor), &(tensor) { .format = format, .type = type, .n = n, .c = c, .h = h, .w = w });
}

static cudnnStatus_t filter_create(cudnnFilterDescriptor_t *f) {
    *f = created(a_filter, sizeof(tensor));
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t filter_destroy(cudnnFilterDescriptor_t f) {
    return destroyed(f, a_filter);
}

static cudnnStatus_t filter_set(cudnnFilterDescriptor_t f, cudnnDataType_t type, cudnnTensorFormat_t format, int out,
                                int in, int h, int w) {
    return set_shape(found(f, a_filter),
                     &(tensor) { .format = format, .type = type, .n = out, .c = in, .h = h, .w = w });
}

static cudnnStatus_t conv_create(cudnnConvolutionDescriptor_t *c) {
    *c = created(a_conv, sizeof(conv));
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t conv_destroy(cudnnConvolutionDescriptor_t c) {
    return destroyed(c, a_conv);
}

static cudnnStatus_t conv_set(cudnnConvolutionDescriptor_t c, int pad_h, int pad_w, int stride_h, int stride_w,
                              int dilation_h, int dilation_w, cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
    conv *mine = found(c, a_conv);
    if (!mine || pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 || dilation_h < 1 || dilation_w < 1)
        return CUDNN_STATUS_BAD_PARAM;
    *mine =
        (conv) { mine->object, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, compute, mine->math };
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t conv_set_math(cudnnConvolutionDescriptor_t c, cudnnMathType_t math) {
    conv *mine = found(c, a_conv);
    if (!mine) return CUDNN_STATUS_BAD_PARAM;
    mine->math = math;
    return CUDNN_STATUS_SUCCESS;
}

/* what is to be done */

typedef struct job {
    tensor x, w, y;
    conv c;
    df_dtype type;
    const void *x_data, *w_data;
    void *y_data, *workspace;
    size_t workspace_bytes;
} job;

static bool type_of(cudnnDataType_t type, df_dtype *out) {
    switch (type) {
    case CUDNN_DATA_FLOAT: *out = DF_F32; return true;
    case CUDNN_DATA_HALF: *out = DF_F16; return true;
    case CUDNN_DATA_BFLOAT16: *out = DF_BF16; return true;
    default: return false;
    }
}

static int reach(int size, int pad, int filter, int stride, int dilation) {
    return (size + 2 * pad - ((filter - 1) * dilation + 1)) / stride + 1;
}

static bool shapes_agree(const job *j) {
    const conv *c = &j->c;
    return j->x.c == j->w.c && j->y.c == j->w.n && j->x.n == j->y.n &&
           j->y.h == reach(j->x.h, c->pad_h, j->w.h, c->stride_h, c->dilation_h) &&
           j->y.w == reach(j->x.w, c->pad_w, j->w.w, c->stride_w, c->dilation_w);
}

static bool is_supported(const job *j, cudnnConvolutionFwdAlgo_t algo) {
    const tensor *all[] = { &j->x, &j->w, &j->y };
    for (int i = 0; i < 3; i++)
        if (all[i]->format != CUDNN_TENSOR_NHWC || all[i]->type != j->x.type) return false;
    if (j->c.mode != CUDNN_CROSS_CORRELATION || j->c.compute != CUDNN_DATA_FLOAT) return false;
    if (algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) return j->x.c >= FEW_CHANNELS;
    return algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
}

static size_t workspace_of(const job *j, cudnnConvolutionFwdAlgo_t algo) {
    if (algo != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) return 0;
    return 256 + (size_t)(j->y.h * j->y.w) * sizeof(int32_t);
}

static cudnnStatus_t read_job(job *j, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                              cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y,
                              cudnnConvolutionFwdAlgo_t algo) {
    const tensor *tx = found(x, a_tensor), *tw = found(w, a_filter), *ty = found(y, a_tensor);
    const conv *tc = found(c, a_conv);
    if (!tx || !tw || !ty || !tc) return CUDNN_STATUS_BAD_PARAM;
    *j = (job) { .x = *tx, .w = *tw, .y = *ty, .c = *tc };
    if (!type_of(j->x.type, &j->type) || !shapes_agree(j)) return CUDNN_STATUS_BAD_PARAM;
    return is_supported(j, algo) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
}

static cudnnStatus_t conv_workspace(cudnnHandle_t h, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                                    cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y,
                                    cudnnConvolutionFwdAlgo_t algo, size_t *bytes) {
    job j;
    if (!found(h, a_handle)) return CUDNN_STATUS_NOT_INITIALIZED;
    cudnnStatus_t rc = read_job(&j, x, w, c, y, algo);
    *bytes = rc ? 0 : workspace_of(&j, algo);
    return rc;
}

/* doing it */

static size_t bytes_of(const job *j, const tensor *t) {
    return (size_t)t->n * (size_t)(t->c * t->h) * (size_t)t->w * df_dtype_bytes(j->type);
}

/* What the filter covers at (oy, ox), zeros where that is outside: [h][w][c] of the filter. */
static void gather(float *to, const job *j, const float *image, int oy, int ox) {
    const conv *c = &j->c;
    for (int fy = 0; fy < j->w.h; fy++)
        for (int fx = 0; fx < j->w.w; fx++, to += j->x.c) {
            int iy = oy * c->stride_h - c->pad_h + fy * c->dilation_h;
            int ix = ox * c->stride_w - c->pad_w + fx * c->dilation_w;
            if (iy < 0 || iy >= j->x.h || ix < 0 || ix >= j->x.w)
                memset(to, 0, (size_t)j->x.c * sizeof *to);
            else
                memcpy(to, image + ((int64_t)iy * j->x.w + ix) * j->x.c, (size_t)j->x.c * sizeof *to);
        }
}

static void convolve(const job *j, int row, float *image, float *covered, const float *filter, float *sum) {
    int64_t k = (int64_t)j->w.h * j->w.w * j->x.c, places = (int64_t)j->y.h * j->y.w, out = j->y.c;
    int64_t pixels = (int64_t)j->x.h * j->x.w;
    size_t element = df_dtype_bytes(j->type);
    bool tf32 = j->type == DF_F32 && j->c.math != CUDNN_FMA_MATH;
    const operand x = { (const char *)j->x_data + (size_t)(row * pixels * j->x.c) * element, j->type, tf32 };
    operand_load(image, &x, pixels, j->x.c, j->x.c, 1);
    for (int64_t from = 0; from < places; from += PLACES) {
        int64_t n = places - from < PLACES ? places - from : PLACES;
        for (int64_t i = 0; i < n; i++)
            gather(covered + i * k, j, image, (int)((from + i) / j->y.w), (int)((from + i) % j->y.w));
        memset(sum, 0, (size_t)(n * out) * sizeof *sum);
        product_add(sum, covered, filter, n, out, k, k);
        for (int64_t i = 0; i < n * out; i++) number_store(j->type, j->y_data, (row * places + from) * out + i, sum[i]);
    }
}

static bool run(void *ctx, gpu_work *self) {
    const job *j = ctx;
    int64_t k = (int64_t)j->w.h * j->w.w * j->x.c;
    bool there = gpu_work_use(self, j->x_data, bytes_of(j, &j->x), false);
    there &= gpu_work_use(self, j->w_data, bytes_of(j, &j->w), false);
    there &= gpu_work_use(self, j->workspace, j->workspace_bytes, true);
    if (!gpu_work_use(self, j->y_data, bytes_of(j, &j->y), true) || !there) return true;
    float *image = malloc((size_t)j->x.h * (size_t)j->x.w * (size_t)j->x.c * sizeof *image);
    float *covered = malloc((size_t)(PLACES * k) * sizeof *covered),
          *sum = malloc(PLACES * (size_t)j->y.c * sizeof *sum);
    float *filter = malloc((size_t)(k * j->y.c) * sizeof *filter);
    if (!image || !covered || !sum || !filter) abort();
    operand_load(filter, &(operand) { j->w_data, j->type, j->type == DF_F32 && j->c.math != CUDNN_FMA_MATH }, k, j->y.c,
                 1, k);
    for (int row = 0; row < j->x.n; row++) convolve(j, row, image, covered, filter, sum);
    if (j->workspace_bytes) memset(j->workspace, 0x5a, j->workspace_bytes);
    free(image);
    free(covered);
    free(sum);
    free(filter);
    return true;
}

static bool is_aligned(const void *data) {
    return data && (uintptr_t)data % ALIGNMENT == 0;
}

static cudnnStatus_t conv_forward(cudnnHandle_t h, const void *alpha, cudnnTensorDescriptor_t x_desc, const void *x,
                                  cudnnFilterDescriptor_t w_desc, const void *w, cudnnConvolutionDescriptor_t c,
                                  cudnnConvolutionFwdAlgo_t algo, void *workspace, size_t workspace_bytes,
                                  const void *beta, cudnnTensorDescriptor_t y_desc, void *y) {
    const handle *mine = found(h, a_handle);
    job j;
    if (!mine) return CUDNN_STATUS_NOT_INITIALIZED;
    cudnnStatus_t rc = read_job(&j, x_desc, w_desc, c, y_desc, algo);
    if (rc) return rc;
    size_t needed = workspace_of(&j, algo);
    if (*(const float *)alpha != 1 || *(const float *)beta != 0) return CUDNN_STATUS_NOT_SUPPORTED;
    if (!is_aligned(x) || !is_aligned(w) || !is_aligned(y)) return CUDNN_STATUS_BAD_PARAM;
    if (workspace_bytes < needed || (needed && !is_aligned(workspace))) return CUDNN_STATUS_BAD_PARAM;
    j.x_data = x;
    j.w_data = w;
    j.y_data = y;
    j.workspace = workspace;
    j.workspace_bytes = needed;
    job *kept = malloc(sizeof *kept);
    if (!kept) abort();
    *kept = j;
    gpu_double_lock();
    bool taken = gpu_double_submit(mine->stream, run, free, kept);
    gpu_double_unlock();
    return taken ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

static const char *status_text(cudnnStatus_t s) {
    switch (s) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    default: return "CUDNN_STATUS_(unknown)";
    }
}

const df_cuda_dnn_ops df_cuda_dnn = {
    .create = create,
    .destroy = destroy,
    .set_stream = set_stream,
    .status_text = status_text,
    .tensor_create = tensor_create,
    .tensor_destroy = tensor_destroy,
    .tensor_set = tensor_set,
    .filter_create = filter_create,
    .filter_destroy = filter_destroy,
    .filter_set = filter_set,
    .conv_create = conv_create,
    .conv_destroy = conv_destroy,
    .conv_set = conv_set,
    .conv_set_math = conv_set_math,
    .conv_workspace = conv_workspace,
    .conv_forward = conv_forward,
};

/* The doubles of cuBLASLt and cuDNN, and kernels on the double's streams, by plain arithmetic beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/blas.h"
#include "engine/backend/cuda/dnn.h"
#include "engine/backend/cuda/kernels/kernels.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/launch.h"

static const df_cuda_runtime_ops *const gpu = &df_cuda_runtime;
static const df_cuda_blas_ops *const blas = &df_cuda_blas;
static const df_cuda_dnn_ops *const dnn = &df_cuda_dnn;

enum { MOST = 4096 };

/* Arrays of a device, and a stream. */
static cudaStream_t stream;
static float *arrays[8];
static int n_arrays;

static void begin(unsigned seed) {
    gpu_double_reset(seed);
    n_arrays = 0;
    assert_int_equal(gpu->stream_create(&stream), cudaSuccess);
}

static void end(const char *fault) {
    gpu->stream_wait(stream);
    gpu->stream_destroy(stream);
    for (int i = 0; i < n_arrays; i++) gpu->free(arrays[i]);
    assert_string_equal(gpu_double_end(), fault);
}

static float *empty(int n) {
    assert_int_equal(gpu->alloc((void **)&arrays[n_arrays], (size_t)n * sizeof(float)), cudaSuccess);
    return arrays[n_arrays++];
}

static float value(int i, int salt) {
    return (float)((i * 37 + salt * 11) % 23 - 11) / 8;
}

static float *filled(int n, int salt) {
    float host[MOST], *x = empty(n);
    for (int i = 0; i < n; i++) host[i] = value(i, salt);
    gpu->copy(x, host, (size_t)n * sizeof *host, cudaMemcpyHostToDevice, stream);
    return x;
}

static void bring(float *host, const float *x, int n) {
    assert_int_equal(gpu->copy(host, x, (size_t)n * sizeof *x, cudaMemcpyDeviceToHost, stream), cudaSuccess);
}

/* products */

typedef struct product {
    int m, n, k, batch;
    bool ta, tb, row_order;
    uint32_t epilogue;
    float alpha, beta;
    size_t most_workspace;
    uint32_t alignment, reduction;
} product;

typedef struct plan {
    cublasLtHandle_t h;
    cublasLtMatmulDesc_t d;
    cublasLtMatrixLayout_t of[3]; /* A, B, D */
    cublasLtMatmulPreference_t like;
    cublasLtMatmulHeuristicResult_t found[8];
    int n_found;
} plan;

static cublasLtMatrixLayout_t matrix(const product *p, int rows, int columns) {
    cublasLtMatrixLayout_t l;
    int32_t order = p->row_order ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL, batch = p->batch;
    int64_t stride = (int64_t)rows * columns;
    blas->layout_create(&l, CUDA_R_32F, (uint64_t)rows, (uint64_t)columns, p->row_order ? columns : rows);
    blas->layout_set(l, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order);
    blas->layout_set(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch);
    blas->layout_set(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
    return l;
}

static plan open_plan(const product *p, const float *bias) {
    plan x;
    int32_t ta = p->ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    uint64_t most = p->most_workspace;
    blas->create(&x.h);
    blas->desc_create(&x.d, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    blas->desc_set(x.d, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta);
    blas->desc_set(x.d, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb);
    blas->desc_set(x.d, CUBLASLT_MATMUL_DESC_EPILOGUE, &p->epilogue, sizeof p->epilogue);
    blas->desc_set(x.d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    x.of[0] = p->ta ? matrix(p, p->k, p->m) : matrix(p, p->m, p->k);
    x.of[1] = p->tb ? matrix(p, p->n, p->k) : matrix(p, p->k, p->n);
    x.of[2] = matrix(p, p->m, p->n);
    blas->preference_create(&x.like);
    blas->preference_set(x.like, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most);
    blas->preference_set(x.like, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &p->reduction, sizeof p->reduction);
    if (p->alignment) {
        blas->preference_set(x.like, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &p->alignment, sizeof p->alignment);
    }
    assert_int_equal(blas->heuristic(x.h, x.d, x.of[0], x.of[1], x.of[2], x.of[2], x.like, 8, x.found, &x.n_found),
                     CUBLAS_STATUS_SUCCESS);
    return x;
}

static void close_plan(plan *x) {
    blas->preference_destroy(x->like);
    for (int i = 0; i < 3; i++) blas->layout_destroy(x->of[i]);
    blas->desc_destroy(x->d);
    blas->destroy(x->h);
}

static cublasStatus_t multiply(const plan *x, const product *p, const cublasLtMatmulHeuristicResult_t *by,
                               const float *a, const float *b, const float *c, float *out, void *workspace,
                               size_t workspace_bytes) {
    return blas->matmul(x->h, x->d, &p->alpha, a, x->of[0], b, x->of[1], &p->beta, c, x->of[2], out, x->of[2],
                        &by->algo, workspace, workspace_bytes, stream);
}

static int at(const product *p, int rows, int columns, int r, int c) {
    return p->row_order ? r * columns + c : c * rows + r;
}

static float expected(const product *p, int batch, int r, int c) {
    double sum = 0;
    for (int t = 0; t < p->k; t++) {
        int ia = p->ta ? at(p, p->k, p->m, t, r) : at(p, p->m, p->k, r, t);
        int ib = p->tb ? at(p, p->n, p->k, c, t) : at(p, p->k, p->n, t, c);
        sum += (double)value(batch * p->m * p->k + ia, 1) * value(batch * p->k * p->n + ib, 2);
    }
    double y = p->alpha * sum + p->beta * value(batch * p->m * p->n + at(p, p->m, p->n, r, c), 3);
    if (p->epilogue & CUBLASLT_EPILOGUE_BIAS) y += value(r, 4);
    if (p->epilogue & CUBLASLT_EPILOGUE_RELU) return y > 0 ? (float)y : 0;
    if (p->epilogue & CUBLASLT_EPILOGUE_GELU)
        return (float)(0.5 * y * (1 + tanh(sqrt(2 / acos(-1)) * (y + 0.044715 * y * y * y))));
    return (float)y;
}

static void check_result(const product *p, const float *out) {
    float got[MOST];
    bring(got, out, p->batch * p->m * p->n);
    for (int b = 0; b < p->batch; b++)
        for (int r = 0; r < p->m; r++)
            for (int c = 0; c < p->n; c++) {
                float want = expected(p, b, r, c), y = got[b * p->m * p->n + at(p, p->m, p->n, r, c)];
                if (!(fabsf(y - want) < 1e-4f)) fail_msg("batch %d (%d, %d): %g, not %g", b, r, c, y, want);
            }
}

/* Every algorithm that is offered. Returns how many did it. */
static int check_product(const product *p) {
    begin(1);
    float *a = filled(p->batch * p->m * p->k, 1), *b = filled(p->batch * p->n * p->k, 2);
    float *c = filled(p->batch * p->m * p->n, 3), *bias = filled(p->m, 4), *out = empty(p->batch * p->m * p->n);
    float *workspace = empty(3 * p->batch * p->m * p->n + 4 * p->m + 128);
    plan x = open_plan(p, bias);
    int n_done = 0;
    for (int i = 0; i < x.n_found; i++) {
        const cublasLtMatmulHeuristicResult_t *by = &x.found[i];
        cublasLtMatmulHeuristicResult_t again;
        cublasStatus_t rc = blas->check(x.h, x.d, x.of[0], x.of[1], x.of[2], x.of[2], &by->algo, &again);
        assert_int_equal(rc, by->state);
        assert_int_equal(multiply(&x, p, by, a, b, c, out, workspace, by->workspaceSize), by->state);
        if (by->state) continue;
        check_result(p, out);
        n_done++;
    }
    close_plan(&x);
    end("");
    return n_done;
}

static void test_products(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) {
        product p = { 20, 7, 70, 2, i & 1, i & 2, i & 4, CUBLASLT_EPILOGUE_DEFAULT, 1, 0, 1 << 20, 0, 7 };
        assert_int_equal(check_product(&p), 3); /* in order, in slices, split */
    }
    static const uint32_t epilogues[] = { CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS,
                                          CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS };
    for (int i = 0; i < 5; i++) {
        product p = { 33, 5, 40, 1, true, false, false, epilogues[i], 0.5f, 1, 0, 0, 7 };
        assert_int_equal(check_product(&p), 2); /* without workspace: in order, one at a time */
    }
}

static void test_split_sums_only_where_they_may_be(void **state) {
    (void)state;
    product p = { 20, 7, 70, 1, false, false, false, CUBLASLT_EPILOGUE_DEFAULT, 1, 0, 1 << 20, 0, 0 };
    assert_int_equal(check_product(&p), 3);
    p.reduction = 7;
    assert_int_equal(check_product(&p), 4);
}

static void test_what_cublaslt_refuses(void **state) {
    (void)state;
    product p = { 16, 8, 32, 1, false, false, false, CUBLASLT_EPILOGUE_DEFAULT, 1, 0, 1 << 20, 0, 7 };
    begin(2);
    float *a = filled(16 * 32, 1), *b = filled(8 * 32 + 4, 2), *out = empty(16 * 8), *workspace = empty(4096);
    plan x = open_plan(&p, NULL);
    int too_little = 0;
    for (int i = 0; i < x.n_found; i++) {
        const cublasLtMatmulHeuristicResult_t *by = &x.found[i];
        if (by->state) continue;
        assert_int_not_equal(multiply(&x, &p, by, a, b + 4, NULL, out, workspace, by->workspaceSize), 0);
        if (!by->workspaceSize) continue;
        too_little++;
        assert_int_not_equal(multiply(&x, &p, by, a, b, NULL, out, workspace, by->workspaceSize - 1), 0);
        assert_int_not_equal(multiply(&x, &p, by, a, b, NULL, out, workspace + 4, by->workspaceSize), 0);
    }
    assert_int_equal(too_little, 2);
    close_plan(&x);
    p.alignment = 16;
    x = open_plan(&p, NULL);
    for (int i = 0; i < x.n_found; i++)
        if (!x.found[i].state)
            assert_int_equal(multiply(&x, &p, &x.found[i], a, b + 4, NULL, out, workspace, x.found[i].workspaceSize),
                             0);
    close_plan(&x);
    end("");
}

static void test_a_workspace_is_written_to(void **state) {
    (void)state;
    product p = { 16, 8, 32, 1, false, false, false, CUBLASLT_EPILOGUE_DEFAULT, 1, 0, 1 << 20, 0, 7 };
    begin(3);
    float *a = filled(16 * 32, 1), *b = filled(8 * 32, 2), *out = empty(16 * 8), *workspace = empty(16);
    plan x = open_plan(&p, NULL);
    for (int i = 0; i < x.n_found; i++)
        if (!x.found[i].state && x.found[i].workspaceSize) /* more is promised than is there */
            multiply(&x, &p, &x.found[i], a, b, NULL, out, workspace, x.found[i].workspaceSize);
    close_plan(&x);
    gpu->stream_wait(stream);
    assert_non_null(strstr(gpu_double_fault(), "beyond the end of what was allocated"));
}

static void test_handles_that_are_left_or_gone(void **state) {
    (void)state;
    cublasLtMatmulDesc_t d;
    cudnnFilterDescriptor_t f;
    int32_t t = CUBLAS_OP_T;
    gpu_double_reset(1);
    blas->desc_create(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    assert_string_equal(gpu_double_end(), "a description of a product is left that was not destroyed");
    gpu_double_reset(1);
    blas->desc_create(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    blas->desc_destroy(d);
    assert_int_not_equal(blas->desc_set(d, CUBLASLT_MATMUL_DESC_TRANSA, &t, sizeof t), 0);
    assert_string_equal(gpu_double_end(), "a description of a product is used that was destroyed");
    gpu_double_reset(1);
    dnn->filter_create(&f);
    assert_string_equal(gpu_double_end(), "a filter of cuDNN is left that was not destroyed");
}

/* convolutions */

typedef struct conv {
    int rows, c, h, w, out, filter, stride, pad;
} conv;

typedef struct conv_plan {
    cudnnHandle_t h;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t c;
} conv_plan;

static int reach(const conv *v, int size) {
    return (size + 2 * v->pad - v->filter) / v->stride + 1;
}

static conv_plan open_conv(const conv *v) {
    conv_plan p;
    dnn->create(&p.h);
    dnn->set_stream(p.h, stream);
    dnn->tensor_create(&p.x);
    dnn->tensor_create(&p.y);
    dnn->filter_create(&p.w);
    dnn->conv_create(&p.c);
    dnn->tensor_set(p.x, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, v->rows, v->c, v->h, v->w);
    dnn->tensor_set(p.y, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, v->rows, v->out, reach(v, v->h), reach(v, v->w));
    dnn->filter_set(p.w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, v->out, v->c, v->filter, v->filter);
    dnn->conv_set(p.c, v->pad, v->pad, v->stride, v->stride, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
    dnn->conv_set_math(p.c, CUDNN_FMA_MATH);
    return p;
}

static void close_conv(const conv_plan *p) {
    dnn->conv_destroy(p->c);
    dnn->filter_destroy(p->w);
    dnn->tensor_destroy(p->x);
    dnn->tensor_destroy(p->y);
    dnn->destroy(p->h);
}

static cudnnStatus_t convolve(const conv_plan *p, cudnnConvolutionFwdAlgo_t algo, const float *x, const float *w,
                              float *y, void *workspace, size_t bytes) {
    const float one = 1, zero = 0;
    return dnn->conv_forward(p->h, &one, p->x, x, p->w, w, p->c, algo, workspace, bytes, &zero, p->y, y);
}

static float expected_conv(const conv *v, int row, int oy, int ox, int o) {
    double sum = 0;
    for (int fy = 0; fy < v->filter; fy++)
        for (int fx = 0; fx < v->filter; fx++)
            for (int c = 0; c < v->c; c++) {
                int y = oy * v->stride - v->pad + fy, x = ox * v->stride - v->pad + fx;
                if (y < 0 || x < 0 || y >= v->h || x >= v->w) continue;
                sum += (double)value(((row * v->h + y) * v->w + x) * v->c + c, 1) *
                       value(((o * v->filter + fy) * v->filter + fx) * v->c + c, 2);
            }
    return (float)sum;
}

static void check_conv(const conv *v, cudnnConvolutionFwdAlgo_t algo) {
    int oh = reach(v, v->h), ow = reach(v, v->w), n = v->rows * oh * ow * v->out;
    float got[MOST];
    size_t bytes;
    begin(4);
    float *x = filled(v->rows * v->h * v->w * v->c, 1), *w = filled(v->out * v->filter * v->filter * v->c, 2);
    float *y = empty(n), *workspace = empty(MOST);
    conv_plan p = open_conv(v);
    assert_int_equal(dnn->conv_workspace(p.h, p.x, p.w, p.c, p.y, algo, &bytes), CUDNN_STATUS_SUCCESS);
    assert_int_equal(convolve(&p, algo, x, w, y, workspace, bytes), CUDNN_STATUS_SUCCESS);
    assert_int_equal(convolve(&p, algo, x + 1, w, y, workspace, bytes), CUDNN_STATUS_BAD_PARAM);
    if (bytes) assert_int_equal(convolve(&p, algo, x, w, y, workspace, bytes - 1), CUDNN_STATUS_BAD_PARAM);
    bring(got, y, n);
    for (int i = 0; i < n; i++) {
        float want = expected_conv(v, i / v->out / ow / oh, i / v->out / ow % oh, i / v->out % ow, i % v->out);
        if (!(fabsf(got[i] - want) < 1e-4f)) fail_msg("%d: %g, not %g", i, got[i], want);
    }
    close_conv(&p);
    end("");
}

static void test_convolutions(void **state) {
    (void)state;
    const conv plain = { 2, 9, 7, 6, 5, 3, 1, 1 }, down = { 1, 8, 8, 9, 18, 3, 2, 1 },
               one = { 1, 8, 5, 5, 16, 1, 1, 0 };
    check_conv(&plain, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM);
    check_conv(&plain, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
    check_conv(&down, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
    check_conv(&one, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
}

static void test_what_cudnn_refuses(void **state) {
    (void)state;
    const conv few = { 1, 4, 5, 5, 8, 3, 1, 1 };
    size_t bytes;
    begin(5);
    conv_plan p = open_conv(&few);
    assert_int_equal(
        dnn->conv_workspace(p.h, p.x, p.w, p.c, p.y, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, &bytes),
        CUDNN_STATUS_NOT_SUPPORTED);
    assert_int_equal(dnn->conv_workspace(p.h, p.x, p.w, p.c, p.y, CUDNN_CONVOLUTION_FWD_ALGO_FFT, &bytes),
                     CUDNN_STATUS_NOT_SUPPORTED);
    dnn->tensor_set(p.y, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, 8, 4, 5);
    assert_int_equal(dnn->conv_workspace(p.h, p.x, p.w, p.c, p.y, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, &bytes),
                     CUDNN_STATUS_BAD_PARAM);
    close_conv(&p);
    end("");
}

/* kernels */

static void test_kernels_run_late_and_in_order(void **state) {
    (void)state;
    float got[100];
    begin(6);
    float *x = filled(100, 1), *y = empty(100);
    df_cuda_scale(DF_F32, y, x, 100, 2, 1, stream);
    df_cuda_add(DF_F32, y, y, x, 100, stream);
    bring(got, y, 100);
    for (int i = 0; i < 100; i++) assert_true(got[i] == 3 * value(i, 1) + 1);
    end("");
}

static void test_kernels_say_what_they_touch(void **state) {
    (void)state;
    float host[4];
    begin(7);
    float *x = filled(64, 1), *y = empty(64);
    df_cuda_add(DF_F32, y, x, y, 64, stream);
    end("a stream reads 256 bytes, some of which were never written");
    begin(7);
    x = filled(64, 1), y = empty(60);
    df_cuda_scale(DF_F32, y, x, 64, 1, 0, stream);
    end("a stream writes 256 bytes beyond the end of what was allocated");
    begin(7);
    y = empty(4);
    df_cuda_scale(DF_F32, y, host, 4, 1, 0, stream);
    end("a stream reads 16 bytes that no device has allocated");
}

/* [2][queries or keys][2 heads * 8] */
static void attend(float *got, bool plainly, bool causal) {
    enum { QUERIES = 9, KEYS = 9, WIDTH = 16, N = 2 * QUERIES * WIDTH };
    begin(9);
    float *q = filled(N, 1), *k = filled(2 * KEYS * WIDTH, 2), *v = filled(2 * KEYS * WIDTH, 3), *out = empty(N);
    float *bias = filled(2 * (QUERIES + KEYS - 1), 4);
    launch_attention_plainly(plainly);
    const df_cuda_attention_args a = { .q = q,
                                       .k = k,
                                       .v = v,
                                       .out = out,
                                       .rows = 2,
                                       .queries = QUERIES,
                                       .keys = KEYS,
                                       .heads = 2,
                                       .d = 8,
                                       .dv = 8,
                                       .causal = causal,
                                       .bias = causal ? NULL : bias };
    assert_int_equal(df_cuda_attention(DF_F32, &a, stream), cudaSuccess);
    launch_attention_plainly(false);
    bring(got, out, N);
    end("");
}

static void test_attention_without_its_kernels(void **state) {
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        float simulated[MOST] = { 0 }, plain[MOST] = { 0 };
        attend(simulated, false, causal);
        attend(plain, true, causal);
        for (int i = 0; i < MOST; i++) assert_true(fabsf(simulated[i] - plain[i]) < 1e-5f);
    }
}

static void test_kernels_in_graphs(void **state) {
    (void)state;
    float got[100];
    cudaGraph_t g;
    cudaGraphExec_t exec;
    begin(8);
    float *x = filled(100, 1);
    gpu->stream_wait(stream);
    gpu->capture_begin(stream);
    df_cuda_scale(DF_F32, x, x, 100, 2, 0, stream);
    gpu->capture_end(stream, &g);
    gpu->graph_instantiate(&exec, g);
    gpu->graph_destroy(g);
    for (int i = 0; i < 3; i++) gpu->graph_launch(exec, stream);
    bring(got, x, 100);
    for (int i = 0; i < 100; i++) assert_true(got[i] == 8 * value(i, 1));
    gpu->graph_exec_destroy(exec);
    end("");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_split_sums_only_where_they_may_be),
        cmocka_unit_test(test_what_cublaslt_refuses),
        cmocka_unit_test(test_a_workspace_is_written_to),
        cmocka_unit_test(test_handles_that_are_left_or_gone),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_what_cudnn_refuses),
        cmocka_unit_test(test_kernels_run_late_and_in_order),
        cmocka_unit_test(test_kernels_say_what_they_touch),
        cmocka_unit_test(test_attention_without_its_kernels),
        cmocka_unit_test(test_kernels_in_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

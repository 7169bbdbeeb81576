/* cuBLASLt on the double's streams, computed plainly in f32.
 *
 * As many algorithms as may bite: they add the terms in different orders, want workspace or not, and the one that is
 * offered first depends on the shape. One of them does batches of one only, and split sums are never twice the same.
 * What cuBLASLt refuses is refused: types that do not go together, pointers less aligned than the preference said, too
 * little workspace. */
#include "engine/backend/cuda/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/object.h"
#include "tests/engine/backend/cuda/double/products.h"

enum { WORKSPACE_ALIGNMENT = 256, SLICE = 32, SPLITS = 3, MATRICES = 4, A = 0, B, C, D };

static const char a_handle[] = "a handle of cuBLASLt", a_desc[] = "a description of a product",
                  a_matrix_layout[] = "a layout of a matrix", a_preference[] = "a preference of cuBLASLt";

typedef struct desc {
    gpu_object object;
    cublasComputeType_t compute;
    cudaDataType_t scale;
    int32_t transposed[2]; /* A, B */
    uint32_t epilogue;
    const void *bias;
    int32_t bias_type; /* -1: D's */
} desc;

typedef struct layout {
    gpu_object object;
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t leading;
    int32_t order, batch;
    int64_t stride;
} layout;

typedef struct preference {
    gpu_object object;
    uint64_t workspace;
    uint32_t reduction;
    uint32_t alignment[MATRICES];
} preference;

typedef enum algorithm { IN_ORDER, IN_SLICES, ONE_AT_A_TIME, SPLIT, REFUSED, ALGORITHMS } algorithm;

typedef struct chosen {
    uint64_t mark, which;
    uint32_t alignment[MATRICES];
} chosen;
static const uint64_t mark = 0x646f75626c65;

/* handles and what is set */

#define UNDER_LOCK(result)                                                                                             \
    do {                                                                                                               \
        gpu_double_lock();                                                                                             \
        cublasStatus_t rc_ = (result);                                                                                 \
        gpu_double_unlock();                                                                                           \
        return rc_;                                                                                                    \
    } while (0)

static cublasStatus_t destroyed(const void *handle, const char *kind) {
    UNDER_LOCK(gpu_object_destroy(handle, kind) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE);
}

static cublasStatus_t create(cublasLtHandle_t *h) {
    gpu_double_lock();
    *h = gpu_object_new(a_handle, sizeof(gpu_object));
    gpu_double_unlock();
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t destroy(cublasLtHandle_t h) {
    return destroyed(h, a_handle);
}

static cublasStatus_t desc_create(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale) {
    gpu_double_lock();
    desc *d = gpu_object_new(a_desc, sizeof *d);
    d->compute = compute;
    d->scale = scale;
    d->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    d->bias_type = -1;
    *out = (cublasLtMatmulDesc_t)d;
    gpu_double_unlock();
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t desc_destroy(cublasLtMatmulDesc_t d) {
    return destroyed(d, a_desc);
}

static cublasStatus_t take(void *to, size_t wanted, const void *value, size_t bytes) {
    if (bytes != wanted) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t unknown(const char *what, int attr) {
    gpu_double_report("%s: attribute %d is not among those that the double knows", what, attr);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t set_desc(desc *d, cublasLtMatmulDescAttributes_t attr, const void *value, size_t bytes) {
    if (!d) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attr) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(&d->transposed[A], sizeof(int32_t), value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(&d->transposed[B], sizeof(int32_t), value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&d->epilogue, sizeof d->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&d->bias, sizeof d->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return take(&d->bias_type, sizeof d->bias_type, value, bytes);
    default: return unknown(a_desc, (int)attr);
    }
}

static cublasStatus_t desc_set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attr, const void *value,
                               size_t bytes) {
    UNDER_LOCK(set_desc(gpu_object_of(d, a_desc), attr, value, bytes));
}

static cublasStatus_t layout_create(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t columns,
                                    int64_t leading) {
    gpu_double_lock();
    layout *l = gpu_object_new(a_matrix_layout, sizeof *l);
    l->type = type;
    l->rows = rows;
    l->columns = columns;
    l->leading = leading;
    l->order = CUBLASLT_ORDER_COL;
    l->batch = 1;
    *out = (cublasLtMatrixLayout_t)l;
    gpu_double_unlock();
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t layout_destroy(cublasLtMatrixLayout_t l) {
    return destroyed(l, a_matrix_layout);
}

static cublasStatus_t set_layout(layout *l, cublasLtMatrixLayoutAttribute_t attr, const void *value, size_t bytes) {
    if (!l) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attr) {
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return take(&l->order, sizeof l->order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return take(&l->batch, sizeof l->batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return take(&l->stride, sizeof l->stride, value, bytes);
    default: return unknown(a_matrix_layout, (int)attr);
    }
}

static cublasStatus_t layout_set(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t attr, const void *value,
                                 size_t bytes) {
    UNDER_LOCK(set_layout(gpu_object_of(l, a_matrix_layout), attr, value, bytes));
}

static cublasStatus_t preference_create(cublasLtMatmulPreference_t *out) {
    gpu_double_lock();
    preference *p = gpu_object_new(a_preference, sizeof *p);
    p->reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
    for (int i = 0; i < MATRICES; i++) p->alignment[i] = 256;
    *out = (cublasLtMatmulPreference_t)p;
    gpu_double_unlock();
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t preference_destroy(cublasLtMatmulPreference_t p) {
    return destroyed(p, a_preference);
}

static cublasStatus_t set_preference(preference *p, cublasLtMatmulPreferenceAttributes_t attr, const void *value,
                                     size_t bytes) {
    if (!p) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attr) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(&p->workspace, sizeof p->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return take(&p->reduction, sizeof p->reduction, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return take(&p->alignment[A], sizeof(uint32_t), value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return take(&p->alignment[B], sizeof(uint32_t), value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return take(&p->alignment[C], sizeof(uint32_t), value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return take(&p->alignment[D], sizeof(uint32_t), value, bytes);
    default: return unknown(a_preference, (int)attr);
    }
}

static cublasStatus_t preference_set(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t attr,
                                     const void *value, size_t bytes) {
    UNDER_LOCK(set_preference(gpu_object_of(p, a_preference), attr, value, bytes));
}

/* products: what they are */

typedef struct product {
    desc d;
    layout of[MATRICES];
    int64_t m, n, k;
    algorithm by;
} product;

static bool type_of(int type, df_dtype *out) {
    switch (type) {
    case CUDA_R_32F: *out = DF_F32; return true;
    case CUDA_R_16F: *out = DF_F16; return true;
    case CUDA_R_16BF: *out = DF_BF16; return true;
    default: return false;
    }
}

static df_dtype dtype(const layout *l) {
    df_dtype t = DF_F32;
    type_of((int)l->type, &t);
    return t;
}

static bool is_layout(const layout *l) {
    df_dtype t;
    bool by_column = l->order == CUBLASLT_ORDER_COL;
    if (!by_column && l->order != CUBLASLT_ORDER_ROW) return false;
    return type_of((int)l->type, &t) && l->rows && l->columns && l->batch > 0 && l->stride >= 0 &&
           l->leading >= (int64_t)(by_column ? l->rows : l->columns);
}

static bool is_epilogue(uint32_t e) {
    switch (e) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS: return true;
    default: return false;
    }
}

static bool types_go_together(const product *p) {
    const layout *of = p->of;
    if (of[A].type != of[B].type || of[C].type != of[D].type) return false;
    if (of[D].type != of[A].type && of[D].type != CUDA_R_32F) return false;
    if (p->d.bias_type != -1 && p->d.bias_type != (int32_t)of[D].type) return false;
    if (p->d.scale != CUDA_R_32F) return false;
    switch (p->d.compute) {
    case CUBLAS_COMPUTE_32F:
    case CUBLAS_COMPUTE_32F_PEDANTIC: return true;
    case CUBLAS_COMPUTE_32F_FAST_TF32: return of[A].type == CUDA_R_32F;
    default: return false;
    }
}

static bool shapes_agree(product *p) {
    const layout *of = p->of;
    bool ta = p->d.transposed[A] != CUBLAS_OP_N, tb = p->d.transposed[B] != CUBLAS_OP_N;
    p->m = (int64_t)(ta ? of[A].columns : of[A].rows);
    p->k = (int64_t)(ta ? of[A].rows : of[A].columns);
    p->n = (int64_t)(tb ? of[B].rows : of[B].columns);
    if ((int64_t)(tb ? of[B].columns : of[B].rows) != p->k) return false;
    for (int i = C; i <= D; i++)
        if ((int64_t)of[i].rows != p->m || (int64_t)of[i].columns != p->n) return false;
    for (int i = A; i < D; i++)
        if (of[i].batch != of[D].batch) return false;
    return true;
}

static cublasStatus_t read_product(product *p, cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                   cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out) {
    const void *layouts[MATRICES] = { a, b, c, out };
    const desc *mine = gpu_object_of(d, a_desc);
    if (!gpu_object_of(h, a_handle) || !mine) return CUBLAS_STATUS_NOT_INITIALIZED;
    *p = (product) { .d = *mine };
    for (int i = 0; i < MATRICES; i++) {
        const layout *l = gpu_object_of(layouts[i], a_matrix_layout);
        if (!l || !is_layout(l)) return CUBLAS_STATUS_INVALID_VALUE;
        p->of[i] = *l;
    }
    if (!shapes_agree(p)) return CUBLAS_STATUS_INVALID_VALUE;
    return types_go_together(p) && is_epilogue(p->d.epilogue) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* algorithms */

static size_t workspace_of(const product *p, algorithm by) {
    if (by == SPLIT) return SPLITS * (size_t)(p->m * p->n * p->of[D].batch) * sizeof(float);
    return by == IN_SLICES ? 512 + 4 * (size_t)p->m : 0;
}

static cublasStatus_t can_do(const product *p, algorithm by) {
    if (by == REFUSED || (by == ONE_AT_A_TIME && p->of[D].batch > 1)) return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasLtMatmulHeuristicResult_t result_of(const product *p, algorithm by, const uint32_t *alignment) {
    cublasLtMatmulHeuristicResult_t r = { .state = can_do(p, by), .workspaceSize = workspace_of(p, by) };
    chosen c = { .mark = mark, .which = by };
    memcpy(c.alignment, alignment, sizeof c.alignment);
    memcpy(&r.algo, &c, sizeof c);
    return r;
}

static cublasStatus_t find(cublasStatus_t rc, const product *p, const preference *like, int wanted,
                           cublasLtMatmulHeuristicResult_t *found, int *n_found) {
    *n_found = 0;
    if (rc) return rc;
    if (!like || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    int first = (int)((p->m * 7 + p->n * 3 + p->k + p->of[D].batch) % ALGORITHMS);
    for (int i = 0; i < ALGORITHMS && *n_found < wanted; i++) {
        algorithm by = (algorithm)((first + i) % ALGORITHMS);
        if (workspace_of(p, by) > like->workspace || (by == SPLIT && !like->reduction)) continue;
        found[(*n_found)++] = result_of(p, by, like->alignment);
    }
    return *n_found ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t heuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                                cublasLtMatmulPreference_t like, int wanted, cublasLtMatmulHeuristicResult_t *found,
                                int *n_found) {
    product p;
    UNDER_LOCK(
        find(read_product(&p, h, d, a, b, c, out), &p, gpu_object_of(like, a_preference), wanted, found, n_found));
}

static bool is_chosen(const cublasLtMatmulAlgo_t *algo, chosen *c) {
    if (algo) memcpy(c, algo, sizeof *c);
    return algo && c->mark == mark && c->which < ALGORITHMS;
}

static cublasStatus_t check(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                            const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result) {
    product p;
    chosen by;
    gpu_double_lock();
    cublasStatus_t rc = read_product(&p, h, d, a, b, c, out);
    if (!rc && !is_chosen(algo, &by)) rc = CUBLAS_STATUS_INVALID_VALUE;
    if (!rc) *result = result_of(&p, (algorithm)by.which, by.alignment);
    if (!rc) rc = result->state;
    gpu_double_unlock();
    return rc;
}

/* products: done */

typedef struct job {
    product p;
    float alpha, beta;
    const void *data[MATRICES - 1];
    void *out, *workspace;
    size_t workspace_bytes;
} job;

static int64_t step_down(const layout *l) {
    return l->order == CUBLASLT_ORDER_COL ? 1 : l->leading;
}

static int64_t step_right(const layout *l) {
    return l->order == CUBLASLT_ORDER_COL ? l->leading : 1;
}

static size_t bytes_of(const layout *l) {
    int64_t last = ((int64_t)l->rows - 1) * step_down(l) + ((int64_t)l->columns - 1) * step_right(l);
    return (size_t)(last + (l->batch - 1) * l->stride + 1) * df_dtype_bytes(dtype(l));
}

static const void *matrix(const void *data, const layout *l, int batch) {
    return (const char *)data + (size_t)(batch * l->stride) * df_dtype_bytes(dtype(l));
}

static bool touch(const job *j, gpu_work *self) {
    const product *p = &j->p;
    bool there = true;
    for (int i = A; i <= B; i++) there &= gpu_work_use(self, j->data[i], bytes_of(&p->of[i]), false);
    if (j->beta != 0) there &= gpu_work_use(self, j->data[C], bytes_of(&p->of[C]), false);
    if (p->d.epilogue & CUBLASLT_EPILOGUE_BIAS)
        there &= gpu_work_use(self, p->d.bias, (size_t)p->m * df_dtype_bytes(dtype(&p->of[D])), false);
    there &= gpu_work_use(self, j->workspace, j->workspace_bytes, true);
    return gpu_work_use(self, j->out, bytes_of(&p->of[D]), true) && there;
}

static float gelu(float x) {
    const float c = 0.7978845608f; /* sqrt(2 / pi); cuBLASLt's is the one by tanh */
    return 0.5f * x * (1 + tanhf(c * (x + 0.044715f * x * x * x)));
}

static float finish(const job *j, float sum, int batch, int64_t row, int64_t column) {
    const product *p = &j->p;
    const layout *c = &p->of[C];
    float y = j->alpha * sum;
    if (j->beta != 0)
        y += j->beta * number_of(dtype(c), matrix(j->data[C], c, batch), row * step_down(c) + column * step_right(c));
    if (p->d.epilogue & CUBLASLT_EPILOGUE_BIAS) y += number_of(dtype(&p->of[D]), p->d.bias, row);
    if (p->d.epilogue & CUBLASLT_EPILOGUE_RELU) return y > 0 ? y : 0;
    return p->d.epilogue & CUBLASLT_EPILOGUE_GELU ? gelu(y) : y;
}

static int64_t slice_of(const product *p) {
    switch (p->by) {
    case IN_SLICES: return SLICE;
    case ONE_AT_A_TIME: return 2 * SLICE;
    case SPLIT: return (p->k + SPLITS - 1) / SPLITS;
    default: return p->k;
    }
}

/* sum [n][m] of b [n][k] and a [k][m], in the order of the algorithm. Split sums come as they are ready: each time in
 * another order. */
static void add_up(float *sum, float *part, const float *b, const float *a, const product *p) {
    static int64_t turn;
    int64_t slice = slice_of(p), slices = (p->k + slice - 1) / slice, first = p->by == SPLIT ? turn++ : 0;
    memset(sum, 0, (size_t)(p->m * p->n) * sizeof *sum);
    for (int64_t s = 0; s < slices; s++) {
        int64_t from = (first + s) % slices * slice;
        int64_t k = p->k - from < slice ? p->k - from : slice;
        memset(part, 0, (size_t)(p->m * p->n) * sizeof *part);
        product_add(part, b + from, a + from * p->m, p->n, p->m, k, p->k);
        for (int64_t i = 0; i < p->m * p->n; i++) sum[i] += part[i];
    }
}

static void multiply(const job *j, int batch, float *a, float *b, float *sum, float *part) {
    const product *p = &j->p;
    const layout *la = &p->of[A], *lb = &p->of[B], *out = &p->of[D];
    bool tf32 = p->d.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    bool ta = p->d.transposed[A] != CUBLAS_OP_N, tb = p->d.transposed[B] != CUBLAS_OP_N;
    void *to = (void *)matrix(j->out, out, batch);
    if (!batch || la->stride)
        operand_load(a, &(operand) { matrix(j->data[A], la, batch), dtype(la), tf32 }, p->k, p->m,
                     ta ? step_down(la) : step_right(la), ta ? step_right(la) : step_down(la));
    if (!batch || lb->stride)
        operand_load(b, &(operand) { matrix(j->data[B], lb, batch), dtype(lb), tf32 }, p->n, p->k,
                     tb ? step_down(lb) : step_right(lb), tb ? step_right(lb) : step_down(lb));
    add_up(sum, part, b, a, p);
    for (int64_t c = 0; c < p->n; c++)
        for (int64_t r = 0; r < p->m; r++)
            number_store(dtype(out), to, r * step_down(out) + c * step_right(out),
                         finish(j, sum[c * p->m + r], batch, r, c));
}

static bool run(void *ctx, gpu_work *self) {
    const job *j = ctx;
    const product *p = &j->p;
    if (!touch(j, self)) return true;
    float *a = malloc((size_t)(p->k * p->m) * sizeof *a), *b = malloc((size_t)(p->n * p->k) * sizeof *b);
    float *sum = malloc((size_t)(p->n * p->m) * sizeof *sum), *part = malloc((size_t)(p->n * p->m) * sizeof *part);
    if (!a || !b || !sum || !part) abort();
    for (int i = 0; i < p->of[D].batch; i++) multiply(j, i, a, b, sum, part);
    if (j->workspace) memset(j->workspace, 0x5a, j->workspace_bytes);
    free(a);
    free(b);
    free(sum);
    free(part);
    return true;
}

static bool is_aligned(const void *data, uint32_t to) {
    return (uintptr_t)data % to == 0;
}

static cublasStatus_t accept(job *j, const cublasLtMatmulAlgo_t *algo) {
    product *p = &j->p;
    chosen c;
    if (!is_chosen(algo, &c)) {
        gpu_double_report("a product by an algorithm that was not found for it");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    p->by = (algorithm)c.which;
    size_t needed = workspace_of(p, p->by);
    if (can_do(p, p->by)) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (j->workspace_bytes < needed || (needed && !is_aligned(j->workspace, WORKSPACE_ALIGNMENT)))
        return CUBLAS_STATUS_INVALID_VALUE;
    j->workspace_bytes = needed;
    if (!needed) j->workspace = NULL;
    const void *data[MATRICES] = { j->data[A], j->data[B], j->beta != 0 ? j->data[C] : NULL, j->out };
    for (int i = 0; i < MATRICES; i++)
        if (!is_aligned(data[i], c.alignment[i]) || !is_aligned(data[i], (uint32_t)df_dtype_bytes(dtype(&p->of[i]))))
            return CUBLAS_STATUS_INVALID_VALUE;
    if ((p->d.epilogue & CUBLASLT_EPILOGUE_BIAS) && (!p->d.bias || !is_aligned(p->d.bias, 16)))
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t matmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a,
                             cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                             const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *out,
                             cublasLtMatrixLayout_t out_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                             size_t workspace_bytes, cudaStream_t s) {
    job *j = malloc(sizeof *j);
    if (!j) abort();
    *j = (job) { .alpha = *(const float *)alpha,
                 .beta = *(const float *)beta,
                 .data = { a, b, c },
                 .out = out,
                 .workspace = workspace,
                 .workspace_bytes = workspace_bytes };
    gpu_double_lock();
    cublasStatus_t rc = read_product(&j->p, h, d, a_layout, b_layout, c_layout, out_layout);
    if (!rc) rc = accept(j, algo);
    if (rc)
        free(j);
    else if (!gpu_double_submit(s, run, free, j))
        rc = CUBLAS_STATUS_INVALID_VALUE;
    gpu_double_unlock();
    return rc;
}

static const char *status_text(cublasStatus_t s) {
    switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_(unknown)";
    }
}

const df_cuda_blas_ops df_cuda_blas = {
    .create = create,
    .destroy = destroy,
    .status_text = status_text,
    .desc_create = desc_create,
    .desc_destroy = desc_destroy,
    .desc_set = desc_set,
    .layout_create = layout_create,
    .layout_destroy = layout_destroy,
    .layout_set = layout_set,
    .preference_create = preference_create,
    .preference_destroy = preference_destroy,
    .preference_set = preference_set,
    .heuristic = heuristic,
    .check = check,
    .matmul = matmul,
};

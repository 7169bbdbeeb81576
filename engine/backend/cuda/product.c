#include "engine/backend/cuda/product.h"

#include <stdlib.h>

#include "engine/backend/cuda/rest.h"

enum { MOST_WORKSPACE_BYTES = 32 << 20, PROPOSALS = 8, ALIGNED = 64 }; /* ALIGNED: values begin so, memory_plan.h */

/* The matrices of n rows. As the library sees them, by columns: W is k x out and transposed, x k x positions, y out x
 * positions. */
typedef struct batch {
    struct batch *next;
    int64_t n_rows;
    bool apart; /* rows one after the other, by the batch of one */
    size_t workspace_bytes;
    cublasLtMatrixLayout_t w, x, y; /* NULL if apart */
} batch;

typedef struct product {
    int64_t positions, inner, out;
    void *w; /* [out][inner] as activations */
    void *bias; /* of the epilogue, as activations; NULL */
    float *late_bias; /* for what is left; NULL */
    df_cuda_rest rest;
    bool adds_residual; /* y = product + residual */
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulAlgo_t algo;
    batch *batches; /* that of one row is there from open on */
} product;

/* Whether all of it can be held in the type as it is. */
static bool is_exact_in(df_dtype type, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t held = 0;
        df_dtype_store(type, &held, 0, (double)x[i]);
        if (df_dtype_load(type, &held, 0) != (double)x[i]) return false;
    }
    return true;
}

/* What the library's epilogue does for the activation: its gelu is the tanh form. */
static bool is_epilogue(df_act act) {
    return act == DF_ACT_RELU || act == DF_ACT_GELU_TANH;
}

static cublasLtEpilogue_t epilogue(df_act act, bool bias) {
    if (act == DF_ACT_RELU) return bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    if (act == DF_ACT_GELU_TANH) return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

/* Who does what: the library, or the pass behind it. Weights are uploaded accordingly. */
static df_code share_out(df_kernel *k, product *p, const float *const *weights, df_act *act, df_err *err) {
    const df_node *n = k->node;
    bool channels = n->fused_add_channel != DF_NO_VALUE, residual = n->residual != DF_NO_VALUE;
    bool early = weights[1] && is_exact_in(k->ctx->dtype, weights[1], p->out);
    bool act_early = is_epilogue(n->act) && !channels && (early || !weights[1]);
    p->adds_residual = residual && !channels && n->act == DF_ACT_NONE;
    *act = act_early ? n->act : DF_ACT_NONE;
    p->rest.add_channel = channels;
    p->rest.act = !act_early;
    p->rest.residual = residual && !p->adds_residual;
    df_code rc = df_cuda_upload(k->ctx, &p->w, k->ctx->dtype, weights[0], p->out * p->inner, err);
    if (!rc && early) rc = df_cuda_upload(k->ctx, &p->bias, k->ctx->dtype, weights[1], p->out, err);
    if (!rc && !early) rc = df_cuda_upload(k->ctx, (void **)&p->late_bias, DF_F32, weights[1], p->out, err);
    p->rest.bias = p->late_bias;
    return rc;
}

static df_code describe(product *p, df_act act, df_err *err) {
    const cublasOperation_t w = CUBLAS_OP_T, x = CUBLAS_OP_N;
    const cublasLtEpilogue_t e = epilogue(act, p->bias);
    DF_TRY_BLAS("a product", df_cuda_blas.desc_create(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    DF_TRY_BLAS("a product", df_cuda_blas.desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &w, sizeof w));
    DF_TRY_BLAS("a product", df_cuda_blas.desc_set(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &x, sizeof x));
    DF_TRY_BLAS("an epilogue", df_cuda_blas.desc_set(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &e, sizeof e));
    if (p->bias)
        DF_TRY_BLAS("a bias",
                    df_cuda_blas.desc_set(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias, sizeof p->bias));
    return DF_OK;
}

/* stride: elements from one matrix of the batch to the next. */
static df_code make_layout(cublasLtMatrixLayout_t *l, df_dtype type, int64_t lines, int64_t columns, int64_t n,
                           int64_t stride, df_err *err) {
    const int32_t count = (int32_t)n; /* DF_MAX_ROWS fits */
    DF_TRY_BLAS("a matrix",
                df_cuda_blas.layout_create(l, df_cuda_blas_type(type), (uint64_t)lines, (uint64_t)columns, lines));
    DF_TRY_BLAS("a batch", df_cuda_blas.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    DF_TRY_BLAS("a batch",
                df_cuda_blas.layout_set(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride));
    return DF_OK;
}

static void close_layouts(batch *b) {
    if (b->w) df_cuda_blas.layout_destroy(b->w);
    if (b->x) df_cuda_blas.layout_destroy(b->x);
    if (b->y) df_cuda_blas.layout_destroy(b->y);
    b->w = b->x = b->y = NULL;
}

/* The new batch is the product's, whatever follows; of n_rows it is when it is whole. */
static df_code make_batch(const df_kernel *k, product *p, int64_t n_rows, batch **out, df_err *err) {
    df_dtype type = k->ctx->dtype;
    batch *b = *out = calloc(1, sizeof *b);
    if (!b) return df_err_set(err, DF_ENOMEM, "a batch");
    b->next = p->batches;
    p->batches = b;
    df_code rc = make_layout(&b->w, type, p->inner, p->out, n_rows, 0, err);
    if (!rc) rc = make_layout(&b->x, type, p->inner, p->positions, n_rows, p->positions * p->inner, err);
    if (!rc) rc = make_layout(&b->y, type, p->out, p->positions, n_rows, p->positions * p->out, err);
    if (!rc) b->n_rows = n_rows;
    return rc;
}

/* That every row of a batch has which begins at a multiple of ALIGNED. */
static uint32_t row_alignment(const df_kernel *k, int64_t row_elements) {
    size_t bytes = (size_t)row_elements * k->ctx->unit, aligned = ALIGNED;
    while (bytes % aligned) aligned /= 2;
    return (uint32_t)aligned;
}

static df_code set_preference(const df_kernel *k, const product *p, cublasLtMatmulPreference_t wish, df_err *err) {
    const uint64_t most = MOST_WORKSPACE_BYTES;
    const uint32_t whole_sums = CUBLASLT_REDUCTION_SCHEME_NONE;
    const uint32_t x = row_alignment(k, p->positions * p->inner), y = row_alignment(k, p->positions * p->out);
    const struct {
        cublasLtMatmulPreferenceAttributes_t what;
        const void *value;
        size_t bytes;
    } wishes[] = { { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most },
                   { CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &whole_sums, sizeof whole_sums },
                   { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &x, sizeof x },
                   { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &y, sizeof y },
                   { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &y, sizeof y } };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        DF_TRY_BLAS("a wish for an algorithm",
                    df_cuda_blas.preference_set(wish, wishes[i].what, wishes[i].value, wishes[i].bytes));
    return DF_OK;
}

static df_code ask(const df_kernel *k, product *p, batch *one, cublasLtMatmulPreference_t wish, df_err *err) {
    cublasLtMatmulHeuristicResult_t found[PROPOSALS];
    int n_found = 0, i = 0;
    df_code rc = set_preference(k, p, wish, err);
    if (rc) return rc;
    DF_TRY_BLAS("choosing an algorithm", df_cuda_blas.heuristic(k->ctx->blas, p->desc, one->w, one->x, one->y, one->y,
                                                                wish, PROPOSALS, found, &n_found));
    while (i < n_found && found[i].state != CUBLAS_STATUS_SUCCESS) i++; /* the fastest come first */
    if (i == n_found)
        return df_err_set(err, DF_EUNSUPPORTED, "cuBLASLt has no algorithm for [%lld][%lld] x [%lld][%lld]",
                          (long long)p->positions, (long long)p->inner, (long long)p->inner, (long long)p->out);
    p->algo = found[i].algo;
    one->workspace_bytes = found[i].workspaceSize;
    return DF_OK;
}

static df_code choose(const df_kernel *k, product *p, df_err *err) {
    batch *one;
    cublasLtMatmulPreference_t wish;
    df_code rc = make_batch(k, p, 1, &one, err);
    if (rc) return rc;
    DF_TRY_BLAS("a wish for an algorithm", df_cuda_blas.preference_create(&wish));
    rc = ask(k, p, one, wish, err);
    df_cuda_blas.preference_destroy(wish);
    return rc;
}

df_code df_cuda_product_open(df_kernel *k, int64_t positions, int64_t inner, int64_t out, const float *const *weights,
                             df_err *err) {
    df_act act;
    product *p = k->state = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "a product");
    p->positions = positions;
    p->inner = inner;
    p->out = out;
    df_code rc = share_out(k, p, weights, &act, err);
    if (!rc) rc = describe(p, act, err);
    return rc ? rc : choose(k, p, err);
}

size_t df_cuda_product_weight_bytes(const df_kernel *k) {
    const df_node *n = k->node;
    size_t bytes = (size_t)df_shape_elements(k->g->weights[n->weight[0]].shape) * k->ctx->unit;
    if (n->weight[1] != DF_NO_WEIGHT)
        bytes += (size_t)df_shape_elements(k->g->weights[n->weight[1]].shape) * sizeof(float);
    return bytes;
}

void df_cuda_product_close(df_kernel *k) {
    product *p = k->state;
    if (!p) return;
    df_cuda_release(k->ctx, p->w);
    df_cuda_release(k->ctx, p->bias);
    df_cuda_release(k->ctx, p->late_bias);
    for (batch *b = p->batches, *next; b; b = next) {
        next = b->next;
        close_layouts(b);
        free(b);
    }
    if (p->desc) df_cuda_blas.desc_destroy(p->desc);
    free(p);
}

static batch *batch_of(const product *p, int64_t n_rows) {
    batch *b = p->batches;
    while (b && b->n_rows != n_rows) b = b->next;
    return b;
}

/* The algorithm for one row, if the library takes it for n too. */
static df_code make_checked_batch(const df_kernel *k, product *p, int64_t n_rows, df_err *err) {
    cublasLtMatmulHeuristicResult_t result = { 0 };
    batch *b;
    df_code rc = make_batch(k, p, n_rows, &b, err);
    if (rc) return rc;
    cublasStatus_t s = df_cuda_blas.check(k->ctx->blas, p->desc, b->w, b->x, b->y, b->y, &p->algo, &result);
    b->apart = s != CUBLAS_STATUS_SUCCESS || result.state != CUBLAS_STATUS_SUCCESS ||
               result.workspaceSize > MOST_WORKSPACE_BYTES;
    if (b->apart) close_layouts(b);
    b->workspace_bytes = b->apart ? batch_of(p, 1)->workspace_bytes : result.workspaceSize;
    return DF_OK;
}

static size_t detour_bytes(const df_kernel *k, const product *p, int64_t n_rows) {
    if (!df_cuda_rest_takes_scratch(&p->rest)) return 0;
    return df_cuda_part((size_t)(n_rows * p->positions * p->out) * k->ctx->unit);
}

df_code df_cuda_product_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    product *p = k->state;
    df_code rc = batch_of(p, n_rows) ? DF_OK : make_checked_batch(k, p, n_rows, err);
    if (!rc) *scratch_bytes = detour_bytes(k, p, n_rows) + batch_of(p, n_rows)->workspace_bytes;
    return rc;
}

static df_code multiply(const df_kernel *k, const product *p, const batch *b, const void *x, const void *residual,
                        void *y, void *workspace, df_err *err) {
    const float one = 1, plus = p->adds_residual ? 1 : 0;
    DF_TRY_BLAS("a product", df_cuda_blas.matmul(k->ctx->blas, p->desc, &one, p->w, b->w, x, b->x, &plus,
                                                 p->adds_residual ? residual : y, b->y, y, b->y, &p->algo, workspace,
                                                 b->workspace_bytes, k->ctx->stream));
    return DF_OK;
}

static df_code multiply_apart(const df_kernel *k, const product *p, const df_cuda_run *r, char *y, void *workspace,
                              df_err *err) {
    const batch *one = batch_of(p, 1);
    size_t x_bytes = (size_t)(p->positions * p->inner) * k->ctx->unit,
           y_bytes = (size_t)(p->positions * p->out) * k->ctx->unit;
    df_code rc = DF_OK;
    for (size_t row = 0; row < (size_t)r->n_rows && !rc; row++) {
        const char *residual = r->residual ? (const char *)r->residual + row * y_bytes : NULL;
        rc = multiply(k, p, one, (const char *)r->in[0] + row * x_bytes, residual, y + row * y_bytes, workspace, err);
    }
    return rc;
}

df_code df_cuda_product_run(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const product *p = k->state;
    const batch *b = batch_of(p, r->n_rows);
    if (!b) return df_err_set(err, DF_EINVAL, "not prepared for %lld rows", (long long)r->n_rows);
    size_t detour = detour_bytes(k, p, r->n_rows);
    char *y = detour ? r->scratch : r->out, *workspace = r->scratch + detour;
    df_code rc = b->apart ? multiply_apart(k, p, r, y, workspace, err)
                          : multiply(k, p, b, r->in[0], r->residual, y, workspace, err);
    return rc ? rc : df_cuda_rest_run(k, &p->rest, r, y, err);
}

/* cuBLASLt as a table of functions, as runtime.h is of the CUDA runtime: matrix products with what is folded into them.
 * `df_cuda_blas` is the library's own (blas_real.c) or the tests' double. Entries are the functions of their names. */
#ifndef DF_ENGINE_BACKEND_CUDA_BLAS_H
#define DF_ENGINE_BACKEND_CUDA_BLAS_H

#include <cublasLt.h>

typedef struct df_cuda_blas_ops {
    cublasStatus_t (*create)(cublasLtHandle_t *h);
    cublasStatus_t (*destroy)(cublasLtHandle_t h);
    const char *(*status_text)(cublasStatus_t s);
    cublasStatus_t (*desc_create)(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale);
    cublasStatus_t (*desc_destroy)(cublasLtMatmulDesc_t d);
    cublasStatus_t (*desc_set)(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attr, const void *value,
                               size_t bytes);
    cublasStatus_t (*layout_create)(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t columns,
                                    int64_t leading);
    cublasStatus_t (*layout_destroy)(cublasLtMatrixLayout_t l);
    cublasStatus_t (*layout_set)(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t attr, const void *value,
                                 size_t bytes);
    cublasStatus_t (*preference_create)(cublasLtMatmulPreference_t *p);
    cublasStatus_t (*preference_destroy)(cublasLtMatmulPreference_t p);
    cublasStatus_t (*preference_set)(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t attr,
                                     const void *value, size_t bytes);
    cublasStatus_t (*heuristic)(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                                cublasLtMatmulPreference_t p, int wanted, cublasLtMatmulHeuristicResult_t *found,
                                int *n_found); /* cublasLtMatmulAlgoGetHeuristic */
    cublasStatus_t (*check)(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                            const cublasLtMatmulAlgo_t *algo,
                            cublasLtMatmulHeuristicResult_t *result); /* cublasLtMatmulAlgoCheck */
    cublasStatus_t (*matmul)(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a,
                             cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                             const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *out,
                             cublasLtMatrixLayout_t out_layout, const cublasLtMatmulAlgo_t *algo, void *workspace,
                             size_t workspace_bytes, cudaStream_t s);
} df_cuda_blas_ops;

extern const df_cuda_blas_ops df_cuda_blas;

#endif

#include "engine/backend/cuda/blas.h"

const df_cuda_blas_ops df_cuda_blas = {
    .create = cublasLtCreate,
    .destroy = cublasLtDestroy,
    .status_text = cublasLtGetStatusString,
    .desc_create = cublasLtMatmulDescCreate,
    .desc_destroy = cublasLtMatmulDescDestroy,
    .desc_set = cublasLtMatmulDescSetAttribute,
    .layout_create = cublasLtMatrixLayoutCreate,
    .layout_destroy = cublasLtMatrixLayoutDestroy,
    .layout_set = cublasLtMatrixLayoutSetAttribute,
    .preference_create = cublasLtMatmulPreferenceCreate,
    .preference_destroy = cublasLtMatmulPreferenceDestroy,
    .preference_set = cublasLtMatmulPreferenceSetAttribute,
    .heuristic = cublasLtMatmulAlgoGetHeuristic,
    .check = cublasLtMatmulAlgoCheck,
    .matmul = cublasLtMatmul,
};

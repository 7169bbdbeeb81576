#include "engine/backend/cuda/product.h"

static df_code open_linear(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape in = df_cuda_in_shape(k, 0);
    int64_t inner = df_cuda_last_dim(in);
    return df_cuda_product_open(k, df_shape_elements(in) / inner, inner, df_cuda_last_dim(df_cuda_out_shape(k)),
                                weights, err);
}

const df_cuda_op df_cuda_op_linear = { .open = open_linear,
                                       .weight_bytes = df_cuda_product_weight_bytes,
                                       .close = df_cuda_product_close,
                                       .prepare = df_cuda_product_prepare,
                                       .run = df_cuda_product_run,
                                       .does_all = true };

#include "engine/backend/cpu/product.h"

static df_code open_linear(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape in = df_cpu_in_shape(k, 0);
    int64_t ic = df_cpu_last_dim(in), t = df_shape_elements(in) / ic;
    df_product_shape s = { .ih = t,
                           .iw = 1,
                           .ic = ic,
                           .oh = t,
                           .ow = 1,
                           .oc = df_cpu_last_dim(df_cpu_out_shape(k)),
                           .kernel = 1,
                           .stride = 1 };
    return df_product_open(k, s, weights, err);
}

const df_cpu_op df_cpu_linear = { .open = open_linear,
                                  .weight_bytes = df_product_weight_bytes,
                                  .close = df_product_close,
                                  .prepare = df_product_prepare,
                                  .run = df_product_run,
                                  .does_all = true,
                                  .finds_packed = true };

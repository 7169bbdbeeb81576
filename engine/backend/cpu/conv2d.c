#include "engine/backend/cpu/product.h"
#include "engine/backend/cpu/winograd.h"

static df_code open_conv(df_kernel *k, const float *const *weights, df_err *err) {
    if (df_winograd_m(k)) return df_winograd_open(k, weights, err);
    const df_conv_attr *a = &k->node->attr.conv;
    df_shape in = df_cpu_in_shape(k, 0), out = df_cpu_out_shape(k);
    df_product_shape s = { .ih = in.dim[0],
                           .iw = in.dim[1],
                           .ic = in.dim[2],
                           .oh = out.dim[0],
                           .ow = out.dim[1],
                           .oc = out.dim[2],
                           .kernel = a->kernel,
                           .stride = a->stride,
                           .top = a->pad.top,
                           .left = a->pad.left,
                           .bottom = a->pad.bottom,
                           .right = a->pad.right };
    if (s.kernel == 1 && s.stride == 1 && s.oh == s.ih && s.ow == s.iw) { /* a linear layer over the pixels */
        s.ih = s.oh = s.ih * s.iw;
        s.iw = s.ow = 1;
    }
    return df_product_open(k, s, weights, err);
}

static size_t weight_bytes(const df_kernel *k) {
    return df_winograd_m(k) ? df_winograd_weight_bytes(k) : df_product_weight_bytes(k);
}

const df_cpu_op df_cpu_conv2d = { .open = open_conv,
                                  .weight_bytes = weight_bytes,
                                  .close = df_product_close,
                                  .prepare = df_product_prepare,
                                  .run = df_product_run,
                                  .does_all = true,
                                  .finds_packed = true };

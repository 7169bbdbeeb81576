/* attention, and T5's biases by distance: a table of buckets becomes one of distances, once. */
#include <stdlib.h>

#include "engine/backend/cuda/kernel.h"
#include "engine/graph/relative_position.h"

/* [heads][queries + keys - 1] */
static int64_t n_biases(const df_kernel *k) {
    if (!k->node->attr.attention.bias_buckets) return 0;
    int64_t distances = df_cuda_in_shape(k, 0).dim[0] + df_cuda_in_shape(k, 1).dim[0] - 1;
    return k->node->attr.attention.heads * distances;
}

/* weights[0] [buckets][heads] -> k->state, of key s for query t at queries - 1 + s - t. */
static df_code open_attention(df_kernel *k, const float *const *weights, df_err *err) {
    const df_op_attr *a = &k->node->attr;
    int64_t n = n_biases(k), queries = df_cuda_in_shape(k, 0).dim[0], heads = a->attention.heads;
    if (!n) return DF_OK;
    int64_t distances = n / heads;
    float *bias = malloc((size_t)n * sizeof *bias);
    if (!bias) return df_err_set(err, DF_ENOMEM, "%lld biases", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int bucket = df_relative_bucket(i % distances - (queries - 1), a->attention.bias_buckets,
                                        a->attention.bias_max_distance);
        bias[i] = weights[0][bucket * heads + i / distances];
    }
    df_code rc = df_cuda_upload(k->ctx, &k->state, DF_F32, bias, n, err);
    free(bias);
    return rc;
}

static size_t weight_bytes(const df_kernel *k) {
    return (size_t)n_biases(k) * sizeof(float);
}

static void close_attention(df_kernel *k) {
    df_cuda_release(k->ctx, k->state);
}

static df_code run_attention(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_op_attr *attr = &k->node->attr;
    df_shape q = df_cuda_in_shape(k, 0), key = df_cuda_in_shape(k, 1), v = df_cuda_in_shape(k, 2);
    int heads = attr->attention.heads;
    const df_cuda_attention_args a = { .q = r->in[0],
                                       .k = r->in[1],
                                       .v = r->in[2],
                                       .out = r->out,
                                       .rows = r->n_rows,
                                       .queries = q.dim[0],
                                       .keys = key.dim[0],
                                       .heads = heads,
                                       .d = (int)(q.dim[1] / heads),
                                       .dv = (int)(v.dim[1] / heads),
                                       .scale = attr->attention.scale,
                                       .causal = attr->attention.causal,
                                       .bias = k->state };
    return df_cuda_launched(df_cuda_attention(k->ctx->dtype, &a, k->ctx->stream), err);
}

const df_cuda_op df_cuda_op_attention = {
    .open = open_attention, .weight_bytes = weight_bytes, .close = close_attention, .run = run_attention
};

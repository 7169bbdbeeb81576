/* Splits an attention into tasks of one row, one head and a few vectors of queries; simd/attention_kernel.h does one.
 */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"
#include "engine/graph/relative_position.h"

typedef struct sizes {
    int64_t t, s, heads; /* queries, keys */
    int64_t vectors, blocks; /* of the queries of one head; tasks that share them */
    int64_t q_stride, v_stride; /* D and Dv */
    int64_t d, dv; /* of one head */
    int64_t k_floats, v_floats; /* packed, of one head */
    int64_t work_floats; /* of one thread */
} sizes;

static sizes sizes_of(const df_kernel *k) {
    df_shape q = df_cpu_in_shape(k, 0), key = df_cpu_in_shape(k, 1), v = df_cpu_in_shape(k, 2);
    const df_simd *simd = k->ctx->simd;
    sizes z = { .t = q.dim[0],
                .s = key.dim[0],
                .heads = k->node->attr.attention.heads,
                .q_stride = q.dim[1],
                .v_stride = v.dim[1] };
    z.d = z.q_stride / z.heads;
    z.dv = z.v_stride / z.heads;
    int64_t most = simd->attention_queries / simd->lanes;
    z.vectors = (z.t + simd->lanes - 1) / simd->lanes;
    z.blocks = (z.vectors + most - 1) / most;
    z.k_floats = simd->attention_key_floats(z.s, z.d);
    z.v_floats = simd->attention_value_floats(z.s, z.dv);
    z.work_floats = (simd->attention_work_floats(z.d, z.dv) + 15) / 16 * 16;
    return z;
}

static float scale_of(const df_kernel *k, int64_t d) {
    double scale = k->node->attr.attention.scale;
    return (float)(scale != 0 ? scale : 1 / sqrt((double)d));
}

/* Floats of one head's biases: of key s and query t at [s_end - 1 + t - s]. */
static int64_t bias_floats(const sizes *z) {
    return z->t - 1 + z->s + DF_ATTN_BIAS_PAD;
}

/* weights[0] [buckets][heads] -> [heads][bias_floats], what the scores take before they are scaled. */
static df_code open_attention(df_kernel *k, const float *const *weights, df_err *err) {
    int buckets = k->node->attr.attention.bias_buckets, farthest = k->node->attr.attention.bias_max_distance;
    if (!buckets) return DF_OK;
    sizes z = sizes_of(k);
    int64_t floats = bias_floats(&z);
    float scale = scale_of(k, z.d), *table = k->state = calloc((size_t)(z.heads * floats), sizeof *table);
    if (!table) return df_err_set(err, DF_ENOMEM, "attention");
    for (int64_t distance = 1 - z.t; distance < z.s; distance++) {
        const float *of_bucket = weights[0] + df_relative_bucket(distance, buckets, farthest) * z.heads;
        for (int64_t n = 0; n < z.heads; n++) table[n * floats + z.s - 1 - distance] = of_bucket[n] / scale;
    }
    return DF_OK;
}

static df_code prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    if (k->node->attr.attention.scale < 0)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: a negative scale of the scores", k->node->name);
    sizes z = sizes_of(k);
    int64_t floats = n_rows * z.heads * (z.k_floats + z.v_floats) + k->ctx->threads * z.work_floats;
    *scratch_bytes = (size_t)floats * sizeof(float);
    return DF_OK;
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const sizes z = sizes_of(k);
    const df_simd *simd = k->ctx->simd;
    const df_cpu_ctx *x = k->ctx;
    const float *bias = k->state;
    float *work = (float *)r->scratch, *packed = work + k->ctx->threads * z.work_floats;
    int64_t heads = r->n_rows * z.heads;
    int parts = df_cpu_parts(k->ctx, heads * z.t * z.s * z.d / 8);
#pragma omp parallel num_threads(parts) if (parts > 1)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < heads; i++) {
            int64_t row = i / z.heads, head = i % z.heads;
            float *pk = packed + i * (z.k_floats + z.v_floats);
            simd->attention_pack(pk, pk + z.k_floats, df_cpu_from(x, r->in[1], row * z.s * z.q_stride + head * z.d),
                                 z.q_stride, df_cpu_from(x, r->in[2], row * z.s * z.v_stride + head * z.dv), z.v_stride,
                                 z.s, z.d, z.dv);
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < heads * z.blocks; i++) {
            int64_t of = i / z.blocks, row = of / z.heads, head = of % z.heads, first, end;
            df_cpu_part(z.vectors, z.blocks, i % z.blocks, &first, &end);
            const float *pk = packed + of * (z.k_floats + z.v_floats);
            df_attn_head h = { .q = df_cpu_from(x, r->in[0], row * z.t * z.q_stride + head * z.d),
                               .k = pk,
                               .v = pk + z.k_floats,
                               .out = df_cpu_to(x, r->out, row * z.t * z.v_stride + head * z.dv),
                               .q_stride = z.q_stride,
                               .out_stride = z.v_stride,
                               .n_keys = z.s,
                               .d = z.d,
                               .dv = z.dv,
                               .scale = scale_of(k, z.d),
                               .bias = bias ? bias + head * bias_floats(&z) + z.s - 1 : NULL,
                               .causal = k->node->attr.attention.causal,
                               .work = work + omp_get_thread_num() * z.work_floats };
            int64_t t1 = end * simd->lanes;
            simd->attention(&h, first * simd->lanes, t1 < z.t ? t1 : z.t);
        }
    }
    return DF_OK;
}

const df_cpu_op df_cpu_attention = { .open = open_attention, .prepare = prepare, .run = run };

#include "tests/engine/backend/cuda/node_launch.h"

#include <stdlib.h>

#include "engine/graph/relative_position.h"

typedef struct sizes {
    df_shape x, y;
    int64_t n; /* elements of all rows of the result */
    int64_t places, width, positions; /* of the result */
} sizes;

static sizes sizes_of(const df_graph *g, const df_node *n, int64_t rows) {
    sizes z = { .x = g->values[n->in[0]].shape, .y = g->values[n->out].shape };
    z.n = rows * df_shape_elements(z.y);
    z.width = z.y.dim[z.y.rank - 1];
    z.places = z.n / z.width;
    z.positions = z.places / rows;
    return z;
}

static cudaError_t launch_group_norm(df_dtype type, const df_node *n, const node_operands *o, const sizes *z) {
    int groups = n->attr.norm.groups;
    size_t bytes = df_cuda_group_norm_scratch_bytes(o->rows, z->positions, z->width, groups);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    cudaError_t rc = df_cuda_group_norm(type, o->out, o->in[0], o->vector[0], o->vector[1], o->rows, z->positions,
                                        z->width, groups, n->attr.norm.eps, n->act, scratch, NULL);
    free(scratch);
    return rc;
}

/* [heads][queries + keys - 1] of the table [buckets][heads]. */
static float *biases(const df_node *n, const float *table, int64_t queries, int64_t keys) {
    int heads = n->attr.attention.heads;
    int64_t distances = queries + keys - 1;
    float *bias = table ? malloc((size_t)(heads * distances) * sizeof *bias) : NULL;
    for (int64_t i = 0; bias && i < heads * distances; i++)
        bias[i] = table[df_relative_bucket(i % distances - (queries - 1), n->attr.attention.bias_buckets,
                                           n->attr.attention.bias_max_distance) *
                            heads +
                        i / distances];
    return bias;
}

static cudaError_t launch_attention(df_dtype type, const df_graph *g, const df_node *n, const node_operands *o) {
    df_shape q = g->values[n->in[0]].shape, k = g->values[n->in[1]].shape, v = g->values[n->in[2]].shape;
    int heads = n->attr.attention.heads;
    float *bias = biases(n, o->vector[0], q.dim[0], k.dim[0]);
    df_cuda_attention_args a = { .q = o->in[0],
                                 .k = o->in[1],
                                 .v = o->in[2],
                                 .out = o->out,
                                 .rows = o->rows,
                                 .queries = q.dim[0],
                                 .keys = k.dim[0],
                                 .heads = heads,
                                 .d = (int)q.dim[1] / heads,
                                 .dv = (int)v.dim[1] / heads,
                                 .scale = n->attr.attention.scale,
                                 .causal = n->attr.attention.causal,
                                 .bias = bias };
    cudaError_t rc = df_cuda_attention(type, &a, NULL);
    free(bias);
    return rc;
}

static cudaError_t launch_add_constant(df_dtype type, const df_node *n, const node_operands *o, const sizes *z) {
    bool picture = z->y.rank == 3;
    int64_t h = picture ? z->y.dim[0] : 1, w = picture ? z->y.dim[1] : z->y.dim[0];
    return df_cuda_add_constant(type, o->out, o->in[0], o->table[0], o->rows, h, w, z->width, n->attr.constant.grid_h,
                                n->attr.constant.grid_w, NULL);
}

static cudaError_t launch_rearranged(df_dtype type, const df_graph *g, const df_node *n, const node_operands *o,
                                     const sizes *z) {
    const df_op_attr *a = &n->attr;
    int64_t row_x = df_shape_elements(z->x), row_y = df_shape_elements(z->y), from = z->x.dim[z->x.rank - 1];
    switch (n->op) {
    case DF_OP_CONCAT: {
        df_shape second = g->values[n->in[1]].shape;
        return df_cuda_concat(type, o->out, o->in[0], from, o->in[1], second.dim[second.rank - 1], z->places, NULL);
    }
    case DF_OP_CONCAT_TOKENS:
        return df_cuda_concat(type, o->out, o->in[0], row_x, o->in[1], row_y - row_x, o->rows, NULL);
    case DF_OP_SLICE:
        return df_cuda_slice(type, o->out, o->in[0], from, a->slice.first, a->slice.count, z->places, NULL);
    case DF_OP_SLICE_TOKENS:
        return df_cuda_slice(type, o->out, o->in[0], row_x, a->slice.first * from, row_y, o->rows, NULL);
    case DF_OP_UPSAMPLE_NEAREST:
        return df_cuda_upsample_nearest(type, o->out, o->in[0], o->rows, z->x.dim[0], z->x.dim[1], z->y.dim[0],
                                        z->y.dim[1], z->width, NULL);
    case DF_OP_UNPATCHIFY:
        return df_cuda_unpatchify(type, o->out, o->in[0], o->rows, a->patch.h, a->patch.w, a->patch.patch, z->width,
                                  NULL);
    default: return cudaErrorNotSupported;
    }
}

bool node_has_launcher(const df_node *n) {
    return n->op != DF_OP_LINEAR && n->op != DF_OP_CONV2D && n->op != DF_OP_UPSAMPLE_CONV2D && n->op != DF_OP_RESHAPE;
}

cudaError_t node_launch(df_dtype type, const df_graph *g, const df_node *n, const node_operands *o) {
    const sizes z = sizes_of(g, n, o->rows);
    const df_op_attr *a = &n->attr;
    void *y = o->out;
    const void *const *in = o->in;
    switch (n->op) {
    case DF_OP_ACTIVATION: return df_cuda_activation(type, y, in[0], z.n, n->act, NULL);
    case DF_OP_ADD: return df_cuda_add(type, y, in[0], in[1], z.n, NULL);
    case DF_OP_MUL: return df_cuda_mul(type, y, in[0], in[1], z.n, NULL);
    case DF_OP_SCALE: return df_cuda_scale(type, y, in[0], z.n, a->affine.by, a->affine.plus, NULL);
    case DF_OP_GEGLU: return df_cuda_geglu(type, y, in[0], z.places, z.width, NULL);
    case DF_OP_ADD_CHANNEL: return df_cuda_add_channel(type, y, in[0], in[1], o->rows, z.positions, z.width, NULL);
    case DF_OP_MODULATE: return df_cuda_modulate(type, y, in[0], in[1], in[2], o->rows, z.positions, z.width, NULL);
    case DF_OP_GATE: return df_cuda_gate(type, y, in[0], in[1], o->residual, o->rows, z.positions, z.width, NULL);
    case DF_OP_EMBEDDING:
        return df_cuda_embedding(type, y, in[0], o->table[0], o->table[1], o->rows, z.positions, z.width,
                                 g->weights[n->weight[0]].shape.dim[0], NULL);
    case DF_OP_CLASS_EMBEDDING:
        return df_cuda_embedding(type, y, in[0], o->table[0], NULL, o->rows, 1, z.width,
                                 g->weights[n->weight[0]].shape.dim[0], NULL);
    case DF_OP_TIMESTEP_EMBEDDING:
        return df_cuda_timestep_embedding(type, y, in[0], o->rows * z.x.dim[0], &a->timestep, NULL);
    case DF_OP_ADD_CONSTANT: return launch_add_constant(type, n, o, &z);
    case DF_OP_QUANTIZE:
        return df_cuda_quantize(type, y, in[0], o->vector[0], z.places, z.width, g->weights[n->weight[0]].shape.dim[0],
                                NULL);
    case DF_OP_GROUP_NORM: return launch_group_norm(type, n, o, &z);
    case DF_OP_LAYER_NORM:
        return df_cuda_layer_norm(type, y, in[0], o->vector[0], o->vector[1], z.places, z.width, a->norm.eps, n->act,
                                  NULL);
    case DF_OP_RMS_NORM: return df_cuda_rms_norm(type, y, in[0], o->vector[0], z.places, z.width, a->norm.eps, NULL);
    case DF_OP_ATTENTION: return launch_attention(type, g, n, o);
    default: return launch_rearranged(type, g, n, o, &z);
    }
}

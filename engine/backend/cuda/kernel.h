/* A prepared node, and the table of functions one op fills in. Ops lie in files by family, named as in kernels/. */
#ifndef DF_ENGINE_BACKEND_CUDA_KERNEL_H
#define DF_ENGINE_BACKEND_CUDA_KERNEL_H

#include "engine/backend/cuda/context.h"
#include "engine/backend/cuda/kernels/kernels.h"

typedef struct df_cuda_op df_cuda_op;

struct df_kernel {
    df_cuda_ctx *ctx; /* borrowed */
    const df_graph *g; /* borrowed, like node */
    const df_node *node;
    const df_cuda_op *op;
    void *weight[DF_NODE_MAX_WEIGHTS]; /* the node's, of the GPU, as op->held says; NULL where not held */
    void *state; /* the op's own; NULL until its open */
};

typedef struct df_cuda_run {
    int64_t n_rows;
    const void *const *in;
    const void *add_channel, *residual; /* NULL where absent */
    void *out;
    char *scratch;
    /* Of the result: positions of a row, channels. */
    int64_t positions, channels;
} df_cuda_run;

/* How a weight is held: not (the op's open takes it), in f32, or in the type of activations. */
typedef enum df_cuda_held { DF_CUDA_NOT_HELD, DF_CUDA_IN_F32, DF_CUDA_AS_ACTIVATIONS } df_cuda_held;

struct df_cuda_op {
    df_cuda_held held[DF_NODE_MAX_WEIGHTS]; /* what the backend makes of the node's weights before open */
    df_code (*open)(df_kernel *k, const float *const *weights, df_err *err); /* into k->state; NULL: nothing more */
    size_t (*weight_bytes)(const df_kernel *k); /* of what open makes; NULL: nothing */
    void (*close)(df_kernel *k); /* of k->state, also where open has failed; NULL: there is none */
    df_code (*prepare)(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err); /* NULL: no scratch */
    df_code (*run)(const df_kernel *k, const df_cuda_run *r, df_err *err);
    /* What of the node's fused parts the op applies itself; the backend applies the rest in a second pass. */
    bool does_act, does_all;
};

extern const df_cuda_op df_cuda_op_activation, df_cuda_op_add, df_cuda_op_add_channel, df_cuda_op_add_constant,
    df_cuda_op_attention, df_cuda_op_class_embedding, df_cuda_op_concat, df_cuda_op_concat_tokens, df_cuda_op_conv2d,
    df_cuda_op_embedding, df_cuda_op_gate, df_cuda_op_geglu, df_cuda_op_group_norm, df_cuda_op_layer_norm,
    df_cuda_op_linear, df_cuda_op_modulate, df_cuda_op_mul, df_cuda_op_quantize, df_cuda_op_rms_norm, df_cuda_op_scale,
    df_cuda_op_slice, df_cuda_op_slice_tokens, df_cuda_op_timestep_embedding, df_cuda_op_unpatchify,
    df_cuda_op_upsample_conv2d, df_cuda_op_upsample_nearest;

/* A launch's error as the node's. */
static inline df_code df_cuda_launched(cudaError_t e, df_err *err) {
    return e ? df_cuda_error(err, e, "a kernel") : DF_OK;
}

static inline df_shape df_cuda_in_shape(const df_kernel *k, int i) {
    return df_graph_shape(k->g, k->node->in[i]);
}

static inline df_shape df_cuda_out_shape(const df_kernel *k) {
    return df_graph_shape(k->g, k->node->out);
}

static inline int64_t df_cuda_last_dim(df_shape s) {
    return s.dim[s.rank - 1];
}

/* Elements of all rows of the result. */
static inline int64_t df_cuda_elements(const df_cuda_run *r) {
    return r->n_rows * r->positions * r->channels;
}

/* Parts of scratch lie at multiples of this. */
static inline size_t df_cuda_part(size_t bytes) {
    return (bytes + 255) / 256 * 256;
}

#endif

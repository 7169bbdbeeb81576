/* A prepared node, and the table of functions one op fills in. Each op has a file of its own, named as in every
 * backend. */
#ifndef DF_ENGINE_BACKEND_CPU_KERNEL_H
#define DF_ENGINE_BACKEND_CPU_KERNEL_H

#include "engine/backend/cpu/context.h"

typedef struct df_cpu_op df_cpu_op;

struct df_kernel {
    df_cpu_ctx *ctx; /* borrowed */
    const df_graph *g; /* borrowed, like node */
    const df_node *node;
    const df_cpu_op *op;
    void *state; /* the op's own; NULL until its open */
};

typedef struct df_cpu_run {
    int64_t n_rows;
    const void *const *in;
    const void *add_channel, *residual; /* NULL where absent */
    void *out;
    char *scratch;
} df_cpu_run;

struct df_cpu_op {
    /* Packs weights into k->state. NULL: nothing to keep. On failure k->state is still closed. */
    df_code (*open)(df_kernel *k, const float *const *weights, df_err *err);
    size_t (*weight_bytes)(const df_kernel *k); /* of what open packs; NULL: each once, as activations are held */
    void (*close)(void *state); /* NULL: state is one malloc block, or none */
    df_code (*prepare)(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err); /* NULL: no scratch */
    df_code (*run)(df_kernel *k, const df_cpu_run *r, df_err *err);
    /* What of the node's fused parts the op applies itself; the backend applies the rest in a second pass. */
    bool does_act, does_all;
    bool finds_packed; /* weights[0] may be NULL in open: DF_ENOTFOUND if ctx->packed has not what is needed */
};

extern const df_cpu_op df_cpu_activation, df_cpu_add, df_cpu_add_channel, df_cpu_add_constant, df_cpu_attention,
    df_cpu_class_embedding, df_cpu_concat, df_cpu_concat_tokens, df_cpu_conv2d, df_cpu_embedding, df_cpu_gate,
    df_cpu_geglu, df_cpu_group_norm, df_cpu_layer_norm, df_cpu_linear, df_cpu_modulate, df_cpu_mul, df_cpu_quantize,
    df_cpu_reshape, df_cpu_rms_norm, df_cpu_scale, df_cpu_slice, df_cpu_slice_tokens, df_cpu_timestep_embedding,
    df_cpu_unpatchify, df_cpu_upsample_conv2d, df_cpu_upsample_nearest;

static inline df_shape df_cpu_in_shape(const df_kernel *k, int i) {
    return df_graph_shape(k->g, k->node->in[i]);
}

static inline df_shape df_cpu_out_shape(const df_kernel *k) {
    return df_graph_shape(k->g, k->node->out);
}

static inline int64_t df_cpu_last_dim(df_shape s) {
    return s.dim[s.rank - 1];
}

/* Calls do_span on all threads for pieces that together are all positions of all rows: positions [first, first + n),
 * counted through the batch, which all belong to `row`. For operands that change from row to row. */
typedef void (*df_cpu_span_fn)(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t first, int64_t n);
void df_cpu_each_span(const df_kernel *k, const df_cpu_run *r, df_cpu_span_fn do_span);

/* Over all rows, on all threads: y = act(x + add_channel) + residual; add_channel [n_rows][c]. */
void df_cpu_epilogue(const df_cpu_ctx *ctx, void *y, const void *x, int64_t n_rows, int64_t positions, int64_t c,
                     const void *add_channel, df_act act, const void *residual);

/* floats of a copy on the heap; NULL if x is NULL or out of memory. */
float *df_cpu_copy(const float *x, int64_t floats);
/* The same, as activations are held. */
void *df_cpu_copy_as_activations(const df_cpu_ctx *ctx, const float *x, int64_t elements);

#endif

/* Which launcher a node of the graph is, and its operands as kernels take them. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_NODE_LAUNCH_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_NODE_LAUNCH_H

#include "engine/backend/cuda/kernels/kernels.h"

typedef struct node_operands {
    int64_t rows;
    const void *in[DF_NODE_MAX_IN], *residual;
    const float *vector[DF_NODE_MAX_WEIGHTS]; /* the node's weights in f32 */
    const void *table[DF_NODE_MAX_WEIGHTS]; /* and in the type of activations */
    void *out;
} node_operands;

bool node_has_launcher(const df_node *n); /* false: a library's */

/* Allocates what the launcher wants as scratch. */
cudaError_t node_launch(df_dtype type, const df_graph *g, const df_node *n, const node_operands *o);

#endif

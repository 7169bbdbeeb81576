/* What a library's product leaves to be done of a node: y = act(x + bias + add_channel) + residual, in one pass. */
#ifndef DF_ENGINE_BACKEND_CUDA_REST_H
#define DF_ENGINE_BACKEND_CUDA_REST_H

#include "engine/backend/cuda/kernel.h"

typedef struct df_cuda_rest {
    const float *bias; /* [C] of the GPU, NULL: none, or added already */
    bool add_channel, act, residual; /* those of the node that are not applied yet */
} df_cuda_rest;

/* The residual is read when the product has long been written, and may lie where the result goes: the product then
 * goes to scratch. */
static inline bool df_cuda_rest_takes_scratch(const df_cuda_rest *rest) {
    return rest->residual;
}

/* From x, the product [n_rows][positions][channels], to r->out, which may be x. Nothing where nothing is left. */
df_code df_cuda_rest_run(const df_kernel *k, const df_cuda_rest *rest, const df_cuda_run *r, const void *x,
                         df_err *err);

#endif

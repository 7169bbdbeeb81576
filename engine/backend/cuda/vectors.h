/* Latents in the memory of a GPU: the operations of samplers and walks (engine/samplers/vectors.h) by kernels on the
 * context's stream.
 *
 *   df_cuda_vectors_open(&v, ctx, &err);   ... v.ops->combine(v.ctx, ...) ...   df_cuda_vectors_close(&v);
 *
 * All is enqueued; read() waits, and nothing else does: coefficients are arguments of the kernels, numbers of the host
 * go through pinned memory (parcels.h), and memory that is given back is kept for the next walk, which the order on the
 * stream makes safe. Only a walk that needs more than all before it asks the GPU for memory, which waits as well. */
#ifndef DF_ENGINE_BACKEND_CUDA_VECTORS_H
#define DF_ENGINE_BACKEND_CUDA_VECTORS_H

#include "engine/samplers/vectors.h"

/* ctx: of df_backend_cuda.open, borrowed: it outlives the vectors. */
df_code df_cuda_vectors_open(df_vectors *out, void *ctx, df_err *err);
void df_cuda_vectors_close(df_vectors *v); /* waits for what was enqueued; all of alloc has been given back */

#endif

/* Captures and graphs. A graph is chains of nodes, one a stream that was captured; what a node comes after is, of each
 * chain, the last such node. All under the double's lock, but for the entries of the table. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_GRAPH_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_GRAPH_H

#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { CHAINS = 8 };

typedef struct progress {
    int of[CHAINS]; /* number of the node, from 1; 0: none */
} progress;

void progress_join(progress *to, const progress *from);

typedef struct capture capture;
struct stream;

/* Adds a node behind all that the stream comes after. */
void capture_add(struct stream *s, gpu_run *run, void (*drop)(void *ctx), void *ctx);
void capture_enter(capture *c, struct stream *s, const progress *after); /* s is one more of its streams */
void capture_break(capture *c); /* its end will fail */

/* True, and a fault, if the calling thread captures: what waits, asks or allocates is not permitted then. */
bool capture_forbids(const char *what);

cudaError_t capture_begin(cudaStream_t s);
cudaError_t capture_end(cudaStream_t s, cudaGraph_t *out);
cudaError_t graph_instantiate(cudaGraphExec_t *out, cudaGraph_t g);
cudaError_t graph_launch(cudaGraphExec_t x, cudaStream_t s);
cudaError_t graph_destroy(cudaGraph_t g);
cudaError_t graph_exec_destroy(cudaGraphExec_t x);

#endif

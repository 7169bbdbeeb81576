/* The CUDA runtime as a table of functions: what the backend and the NCCL transport call, and no more.
 *
 * `df_cuda_runtime` is the runtime's own where diffarm_cuda is built (runtime_real.c), and a double in memory of the
 * host in tests (tests/engine/backend/cuda/double), which checks the order of calls. Whoever is linked with neither
 * gets the table from the loaded library (module.h). Entries mean what CUDA's documentation says of the function named
 * beside them; streams never wait for the default stream, and nothing is enqueued on that. */
#ifndef DF_ENGINE_BACKEND_CUDA_RUNTIME_H
#define DF_ENGINE_BACKEND_CUDA_RUNTIME_H

#include <cuda_runtime_api.h>

typedef struct df_cuda_runtime_ops {
    /* Devices. `select` is the calling thread's choice. */
    cudaError_t (*driver_version)(int *version); /* cudaDriverGetVersion: 0 where there is no driver */
    cudaError_t (*runtime_version)(int *version); /* cudaRuntimeGetVersion */
    cudaError_t (*device_count)(int *n); /* cudaGetDeviceCount */
    cudaError_t (*device_properties)(struct cudaDeviceProp *p, int device); /* cudaGetDeviceProperties */
    cudaError_t (*select)(int device); /* cudaSetDevice */
    const char *(*error_text)(cudaError_t e); /* cudaGetErrorString */
    cudaError_t (*last_error)(void); /* cudaGetLastError: and forgets it */

    /* Memory: of the device, and of the host such that copies run beside it (pinned). */
    cudaError_t (*memory_info)(size_t *free, size_t *total); /* cudaMemGetInfo */
    cudaError_t (*alloc)(void **p, size_t bytes); /* cudaMalloc */
    cudaError_t (*free)(void *p); /* cudaFree */
    cudaError_t (*host_alloc)(void **p, size_t bytes); /* cudaHostAlloc, default flags */
    cudaError_t (*host_free)(void *p); /* cudaFreeHost */
    cudaError_t (*copy)(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                        cudaStream_t s); /* cudaMemcpyAsync */
    cudaError_t (*set)(void *p, int byte, size_t bytes, cudaStream_t s); /* cudaMemsetAsync */

    /* Streams and events. Events take no times unless made by timer_create. */
    cudaError_t (*stream_create)(cudaStream_t *s); /* cudaStreamCreateWithFlags, non-blocking */
    cudaError_t (*stream_destroy)(cudaStream_t s);
    cudaError_t (*stream_wait)(cudaStream_t s); /* cudaStreamSynchronize: the host waits */
    cudaError_t (*stream_query)(cudaStream_t s); /* cudaErrorNotReady while it runs */
    cudaError_t (*stream_wait_event)(cudaStream_t s, cudaEvent_t e); /* cudaStreamWaitEvent: the stream waits */
    cudaError_t (*event_create)(cudaEvent_t *e); /* cudaEventCreateWithFlags, no timing */
    cudaError_t (*timer_create)(cudaEvent_t *e); /* cudaEventCreate */
    cudaError_t (*event_destroy)(cudaEvent_t e);
    cudaError_t (*event_record)(cudaEvent_t e, cudaStream_t s);
    cudaError_t (*event_query)(cudaEvent_t e); /* cudaErrorNotReady until it has happened */
    cudaError_t (*event_wait)(cudaEvent_t e); /* cudaEventSynchronize: the host waits */
    cudaError_t (*event_elapsed)(float *ms, cudaEvent_t start, cudaEvent_t end); /* cudaEventElapsedTime */

    /* CUDA graphs: what is enqueued between the two is recorded, not run. */
    cudaError_t (*capture_begin)(cudaStream_t s); /* cudaStreamBeginCapture, thread-local mode */
    cudaError_t (*capture_end)(cudaStream_t s, cudaGraph_t *g); /* cudaStreamEndCapture */
    cudaError_t (*graph_instantiate)(cudaGraphExec_t *x, cudaGraph_t g); /* cudaGraphInstantiate */
    cudaError_t (*graph_launch)(cudaGraphExec_t x, cudaStream_t s);
    cudaError_t (*graph_destroy)(cudaGraph_t g);
    cudaError_t (*graph_exec_destroy)(cudaGraphExec_t x);
} df_cuda_runtime_ops;

extern const df_cuda_runtime_ops df_cuda_runtime;

#endif

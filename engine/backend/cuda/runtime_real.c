#include "engine/backend/cuda/runtime.h"

static cudaError_t host_alloc(void **p, size_t bytes) {
    return cudaHostAlloc(p, bytes, cudaHostAllocDefault);
}

static cudaError_t stream_create(cudaStream_t *s) {
    return cudaStreamCreateWithFlags(s, cudaStreamNonBlocking);
}

static cudaError_t stream_wait_event(cudaStream_t s, cudaEvent_t e) {
    return cudaStreamWaitEvent(s, e, 0);
}

static cudaError_t event_create(cudaEvent_t *e) {
    return cudaEventCreateWithFlags(e, cudaEventDisableTiming);
}

static cudaError_t capture_begin(cudaStream_t s) {
    return cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
}

static cudaError_t graph_instantiate(cudaGraphExec_t *x, cudaGraph_t g) {
    return cudaGraphInstantiate(x, g, 0);
}

const df_cuda_runtime_ops df_cuda_runtime = {
    .driver_version = cudaDriverGetVersion,
    .runtime_version = cudaRuntimeGetVersion,
    .device_count = cudaGetDeviceCount,
    .device_properties = cudaGetDeviceProperties,
    .select = cudaSetDevice,
    .error_text = cudaGetErrorString,
    .last_error = cudaGetLastError,
    .memory_info = cudaMemGetInfo,
    .alloc = cudaMalloc,
    .free = cudaFree,
    .host_alloc = host_alloc,
    .host_free = cudaFreeHost,
    .copy = cudaMemcpyAsync,
    .set = cudaMemsetAsync,
    .stream_create = stream_create,
    .stream_destroy = cudaStreamDestroy,
    .stream_wait = cudaStreamSynchronize,
    .stream_query = cudaStreamQuery,
    .stream_wait_event = stream_wait_event,
    .event_create = event_create,
    .timer_create = cudaEventCreate,
    .event_destroy = cudaEventDestroy,
    .event_record = cudaEventRecord,
    .event_query = cudaEventQuery,
    .event_wait = cudaEventSynchronize,
    .event_elapsed = cudaEventElapsedTime,
    .capture_begin = capture_begin,
    .capture_end = cudaStreamEndCapture,
    .graph_instantiate = graph_instantiate,
    .graph_launch = cudaGraphLaunch,
    .graph_destroy = cudaGraphDestroy,
    .graph_exec_destroy = cudaGraphExecDestroy,
};

#include "tests/engine/backend/cuda/double/gpu_double.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/machine.h"
#include "tests/engine/backend/cuda/double/memory.h"
#include "tests/engine/backend/cuda/double/object.h"
#include "tests/engine/backend/cuda/double/stream.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char fault[512];

void gpu_double_lock(void) {
    pthread_mutex_lock(&lock);
}

void gpu_double_unlock(void) {
    pthread_mutex_unlock(&lock);
}

void gpu_double_report(const char *fmt, ...) {
    va_list args;
    if (fault[0]) return;
    va_start(args, fmt);
    vsnprintf(fault, sizeof fault, fmt, args);
    va_end(args);
}

const char *gpu_double_fault(void) {
    return fault;
}

void gpu_double_touch(const void *data, size_t bytes, bool writes) {
    gpu_double_lock();
    host_thread *me = this_thread();
    const toucher by = { &me->now, me->actor, "the host" };
    memory_touch(&by, PINNED, data, bytes, writes, false);
    memory_close();
    gpu_double_unlock();
}

/* memory */

static cudaError_t allocate(void **out, size_t bytes, bool pinned) {
    gpu_double_lock();
    cudaError_t e = machine_usable();
    if (!e && capture_forbids("memory is allocated")) e = cudaErrorStreamCaptureUnsupported;
    if (!e) e = memory_take(out, bytes, pinned ? PINNED : this_thread()->device);
    machine_result(e);
    gpu_double_unlock();
    return e;
}

static cudaError_t give_back(void *p, bool pinned) {
    if (!p) return cudaSuccess;
    gpu_double_lock();
    cudaError_t e = capture_forbids("memory is freed") ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
    if (!e) streams_run();
    if (!e) e = memory_drop(p, pinned);
    machine_result(e);
    gpu_double_unlock();
    return e;
}

static cudaError_t take(void **out, size_t bytes) {
    return allocate(out, bytes, false);
}

static cudaError_t drop(void *p) {
    return give_back(p, false);
}

static cudaError_t host_take(void **out, size_t bytes) {
    return allocate(out, bytes, true);
}

static cudaError_t host_drop(void *p) {
    return give_back(p, true);
}

typedef struct transfer {
    char *to;
    const char *from; /* NULL: bytes of this value */
    int value;
    size_t bytes;
} transfer;

static bool run_copy(void *ctx, gpu_work *self) {
    transfer *t = ctx;
    bool there = !t->from || gpu_work_touch(self, t->from, t->bytes, false);
    if (!gpu_work_touch(self, t->to, t->bytes, true) || !there) return true;
    if (t->from)
        memcpy(t->to, t->from, t->bytes);
    else
        memset(t->to, t->value, t->bytes);
    return true;
}

static cudaError_t transfer_on(cudaStream_t s, transfer what) {
    transfer *t = malloc(sizeof *t);
    if (!t) abort();
    *t = what;
    gpu_double_lock();
    bool taken = gpu_double_submit(s, run_copy, free, t);
    cudaError_t e = machine_result(taken ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return e;
}

static bool is_at_once(const void *to, const void *from, enum cudaMemcpyKind kind) {
    gpu_double_lock();
    bool pageable = (kind == cudaMemcpyHostToDevice && !memory_is_pinned(from)) ||
                    (kind == cudaMemcpyDeviceToHost && !memory_is_pinned(to));
    gpu_double_unlock();
    return pageable;
}

static cudaError_t copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s) {
    cudaError_t e = transfer_on(s, (transfer) { .to = to, .from = from, .bytes = bytes });
    return !e && is_at_once(to, from, kind) ? stream_wait(s) : e;
}

static cudaError_t set(void *p, int byte, size_t bytes, cudaStream_t s) {
    return transfer_on(s, (transfer) { .to = p, .value = byte, .bytes = bytes });
}

/* kernels of tests */

typedef struct kernel {
    char *data;
    size_t bytes;
    int value;
    bool compares;
} kernel;

static bool run_kernel(void *ctx, gpu_work *self) {
    kernel *k = ctx;
    if (!gpu_work_touch(self, k->data, k->bytes, !k->compares)) return true;
    if (!k->compares) memset(k->data, k->value, k->bytes);
    for (size_t i = 0; k->compares && i < k->bytes; i++)
        if ((unsigned char)k->data[i] != k->value) {
            gpu_double_report("byte %zu is %d, not %d", i, (unsigned char)k->data[i], k->value);
            break;
        }
    return true;
}

static void launch(cudaStream_t s, kernel what) {
    kernel *k = malloc(sizeof *k);
    if (!k) abort();
    *k = what;
    gpu_double_lock();
    gpu_double_submit(s, run_kernel, free, k);
    gpu_double_unlock();
}

void gpu_double_fill(cudaStream_t s, void *data, size_t bytes, int value) {
    launch(s, (kernel) { data, bytes, value, false });
}

void gpu_double_expect(cudaStream_t s, const void *data, size_t bytes, int value) {
    launch(s, (kernel) { (char *)data, bytes, value, true });
}

/* from test to test */

void gpu_double_reset(unsigned seed) {
    gpu_double_lock();
    gpu_objects_free();
    memory_free_all();
    order_reset();
    streams_reset(seed);
    machine_reset();
    fault[0] = '\0';
    gpu_double_unlock();
}

const char *gpu_double_end(void) {
    gpu_double_lock();
    streams_run();
    gpu_objects_report_left();
    memory_report_left();
    gpu_double_unlock();
    return fault;
}

const df_cuda_runtime_ops gpu_double = {
    .driver_version = machine_driver_version,
    .runtime_version = machine_runtime_version,
    .device_count = machine_device_count,
    .device_properties = machine_device_properties,
    .select = machine_select,
    .error_text = machine_error_text,
    .last_error = machine_last_error,
    .memory_info = machine_memory_info,
    .alloc = take,
    .free = drop,
    .host_alloc = host_take,
    .host_free = host_drop,
    .copy = copy,
    .set = set,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_wait = stream_wait,
    .stream_query = stream_query,
    .stream_wait_event = stream_wait_event,
    .event_create = event_create,
    .timer_create = timed_event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_query = event_query,
    .event_wait = event_wait,
    .event_elapsed = event_elapsed,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .graph_instantiate = graph_instantiate,
    .graph_launch = graph_launch,
    .graph_destroy = graph_destroy,
    .graph_exec_destroy = graph_exec_destroy,
};
extern const df_cuda_runtime_ops df_cuda_runtime __attribute__((alias("gpu_double")));

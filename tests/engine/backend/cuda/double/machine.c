#include "tests/engine/backend/cuda/double/machine.h"

#include <stdio.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/memory.h"
#include "tests/engine/backend/cuda/double/order.h"

enum { SMS = 132, SHARED_OPTIN = 227 << 10, THREADS_PER_SM = 2048 };

#define USUAL                                                                                                          \
    { .driver = CUDART_VERSION, .n_devices = 8, .major = 9, .minor = 0, .memory = (size_t)4 << 30 }
const gpu_machine gpu_machine_usual = USUAL;
static gpu_machine machine = USUAL;

void machine_reset(void) {
    machine = gpu_machine_usual;
}

void gpu_double_machine(const gpu_machine *m) {
    gpu_double_lock();
    if (m->n_devices > DEVICES) gpu_double_report("a machine of more than %d GPUs", DEVICES);
    machine = *m;
    gpu_double_unlock();
}

cudaError_t machine_result(cudaError_t e) {
    if (e != cudaSuccess) this_thread()->last_error = (int)e;
    return e;
}

cudaError_t machine_usable(void) {
    if (machine.driver / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
    return machine.n_devices ? cudaSuccess : cudaErrorNoDevice;
}

bool machine_refuses(int device, size_t bytes) {
    if (machine.refused && !--machine.refused) return true;
    return device != PINNED && memory_used(device) + bytes > machine.memory;
}

size_t gpu_double_allocated(void) {
    size_t bytes = 0;
    gpu_double_lock();
    for (int i = 0; i < machine.n_devices; i++) bytes += memory_used(i);
    gpu_double_unlock();
    return bytes;
}

cudaError_t machine_driver_version(int *version) {
    *version = machine.driver;
    return cudaSuccess;
}

cudaError_t machine_runtime_version(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t machine_device_count(int *n) {
    gpu_double_lock();
    cudaError_t e = machine_result(machine_usable());
    *n = e ? 0 : machine.n_devices;
    gpu_double_unlock();
    return e;
}

cudaError_t machine_device_properties(struct cudaDeviceProp *p, int device) {
    gpu_double_lock();
    cudaError_t e = machine_usable();
    if (!e && (device < 0 || device >= machine.n_devices)) e = cudaErrorInvalidDevice;
    if (!e) {
        memset(p, 0, sizeof *p);
        snprintf(p->name, sizeof p->name, "GPU of the tests");
        p->major = machine.major;
        p->minor = machine.minor;
        p->totalGlobalMem = machine.memory;
        p->multiProcessorCount = SMS;
        p->warpSize = 32;
        p->maxThreadsPerBlock = 1024;
        p->maxThreadsPerMultiProcessor = THREADS_PER_SM;
        p->sharedMemPerBlock = 48 << 10;
        p->sharedMemPerBlockOptin = SHARED_OPTIN;
        p->pciBusID = device + 1;
    }
    machine_result(e);
    gpu_double_unlock();
    return e;
}

cudaError_t machine_select(int device) {
    gpu_double_lock();
    cudaError_t e = machine_usable();
    if (!e && (device < 0 || device >= machine.n_devices)) e = cudaErrorInvalidDevice;
    if (!e) this_thread()->device = device;
    machine_result(e);
    gpu_double_unlock();
    return e;
}

cudaError_t machine_memory_info(size_t *free_bytes, size_t *total) {
    gpu_double_lock();
    cudaError_t e = machine_result(machine_usable());
    *total = e ? 0 : machine.memory;
    *free_bytes = e ? 0 : machine.memory - memory_used(this_thread()->device);
    gpu_double_unlock();
    return e;
}

cudaError_t machine_last_error(void) {
    gpu_double_lock();
    cudaError_t e = (cudaError_t)this_thread()->last_error;
    this_thread()->last_error = cudaSuccess;
    gpu_double_unlock();
    return e;
}

const char *machine_error_text(cudaError_t e) {
    switch (e) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorLaunchTimeout: return "the launch timed out and was terminated";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnjoined: return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
    default: return "an error";
    }
}

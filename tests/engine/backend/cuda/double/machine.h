/* The devices there are, and which one a thread has chosen. Under the double's lock where nothing else is said. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_MACHINE_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_MACHINE_H

#include <stdbool.h>

#include "engine/backend/cuda/runtime.h"

void machine_reset(void);
cudaError_t machine_usable(void); /* what every call says where there is no device or no driver for it */
bool machine_refuses(int device, size_t bytes); /* device: or PINNED */

/* Entries of the table: they lock. */
cudaError_t machine_driver_version(int *version);
cudaError_t machine_runtime_version(int *version);
cudaError_t machine_device_count(int *n);
cudaError_t machine_device_properties(struct cudaDeviceProp *p, int device);
cudaError_t machine_select(int device);
cudaError_t machine_memory_info(size_t *free, size_t *total);
cudaError_t machine_last_error(void);
const char *machine_error_text(cudaError_t e);

cudaError_t machine_result(cudaError_t e); /* e, kept for last_error if it is one */

#endif

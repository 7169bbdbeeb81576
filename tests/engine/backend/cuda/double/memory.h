/* Memory of devices and pinned memory of the host. All under the double's lock. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_MEMORY_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_MEMORY_H

#include "engine/backend/cuda/runtime.h"
#include "tests/engine/backend/cuda/double/order.h"

enum { PINNED = -1, DEVICES = 16 }; /* PINNED: the device of memory of the host */

cudaError_t memory_take(void **out, size_t bytes, int device);
cudaError_t memory_drop(void *p, bool pinned);
bool memory_is_pinned(const void *p);

/* device: of the stream that touches; for the host PINNED. strict: what is not from here is a fault. False: it is not
 * there to be touched. */
bool memory_touch(const toucher *by, int device, const void *data, size_t bytes, bool writes, bool strict);
void memory_close(void); /* what was opened by touching it, for ASan */

size_t memory_used(int device);
void memory_report_left(void);
void memory_free_all(void);

#endif

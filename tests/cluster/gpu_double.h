/* A GPU's runtime in memory of the host, for tests of what orders work by streams and events.
 *
 *   gpu_double_reset(seed);  ... gpu_double.stream_create(&s) ...  assert_string_equal(gpu_double_fault(), "");
 *
 * Work is kept on its stream and run late: when somebody asks (queries and waits), streams in an order made from the
 * seed. So what is not ordered by an event happens in either order. And each access to memory that it has allocated is
 * held against the ones before it: two of the same bytes, one of them a write, of which neither happens before the
 * other by streams, events and what the host has seen, are a fault, in whatever order they ran. Faults too: use of what
 * was destroyed, memory that is freed in flight, a stream that waits for ever. The first is kept. Threads: any; a
 * stream belongs to one. */
#ifndef DF_TESTS_CLUSTER_GPU_DOUBLE_H
#define DF_TESTS_CLUSTER_GPU_DOUBLE_H

#include <stdarg.h>
#include <stdbool.h>

#include "engine/backend/cuda/runtime.h"

extern const df_cuda_runtime_ops gpu_double; /* without graphs, timers, and what tells of devices */

void gpu_double_reset(unsigned seed); /* all streams have ended */
const char *gpu_double_fault(void); /* "": none since the last reset */
void gpu_double_report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The host reads or writes, on the calling thread. */
void gpu_double_touch(const void *data, size_t bytes, bool writes);

/* What a stream runs. `run` is called when all before it has ended, again and again until it returns true; it calls
 * gpu_work_touch for what it reads and writes, and owns ctx. Both are called with everything else held still. */
typedef struct gpu_work gpu_work;
void gpu_double_enqueue(cudaStream_t s, bool (*run)(void *ctx, gpu_work *self), void *ctx);
void gpu_work_touch(gpu_work *w, const void *data, size_t bytes, bool writes);
void gpu_work_join(gpu_work *w, const gpu_work *earlier); /* w happens after what `earlier` happened after, and it */

/* A kernel that writes `bytes` of value into data, or compares it with it (a difference is a fault). */
void gpu_double_fill(cudaStream_t s, void *data, size_t bytes, int value);
void gpu_double_expect(cudaStream_t s, const void *data, size_t bytes, int value);

/* Under the double's lock: of other doubles. */
void gpu_double_lock(void);
void gpu_double_unlock(void);

#endif

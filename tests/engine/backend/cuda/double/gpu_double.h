/* A GPU's runtime in memory of the host, for tests of what orders work by streams, events and graphs.
 *
 *   gpu_double_reset(seed);  ... gpu_double.stream_create(&s) ...  assert_string_equal(gpu_double_end(), "");
 *
 * Work is kept on its stream and run late: when somebody asks (queries and waits), streams in an order made from the
 * seed. So what is not ordered by an event happens in either order. And each access to memory that it has allocated is
 * held against the ones before it: two of the same bytes, one of them a write, of which neither happens before the
 * other by streams, events and what the host has seen, are a fault, in whatever order they ran. Faults too: memory of a
 * device that is read before anything was written to it (it is full of NaN), used once freed, freed in flight, or of
 * another device; use of what was destroyed; a stream that waits for ever, or for an event that was never recorded;
 * waiting, asking and allocating while a stream of the thread is captured. The first is kept.
 *
 * Graphs: what is enqueued on a capturing stream, and on streams that wait for its events, is kept with what it comes
 * after, and a launch runs it in any order that agrees. Memory of the host that is not pinned is copied at once, as
 * CUDA does. Under ASan memory of a device can be touched by what runs on a stream only, and only where it has said so.
 * Threads: any; a stream belongs to one. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_GPU_DOUBLE_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_GPU_DOUBLE_H

#include <stdarg.h>
#include <stdbool.h>

#include "engine/backend/cuda/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const df_cuda_runtime_ops gpu_double; /* df_cuda_runtime is the same table */

void gpu_double_reset(unsigned seed); /* all streams have ended; the machine is gpu_machine_usual */
const char *gpu_double_fault(void); /* "": none since the last reset */
const char *gpu_double_end(void); /* runs what is left; what was not freed or destroyed is a fault too */
int gpu_double_waits(void); /* of the host, for streams and events, since the last reset */
void gpu_double_report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What the machine is. */
typedef struct gpu_machine {
    int driver; /* version, 13000 for 13.0; 0: there is none. Older than the toolkit's: refused as CUDA does */
    int n_devices;
    int major, minor; /* compute capability of each */
    size_t memory; /* bytes of each; what goes beyond is cudaErrorMemoryAllocation */
    int refused; /* the allocation, counted from 1 and from now, that is refused anyhow; 0: none */
} gpu_machine;
extern const gpu_machine gpu_machine_usual; /* eight GPUs, 9.0, 4 GiB */
void gpu_double_machine(const gpu_machine *m); /* until the next reset */
size_t gpu_double_allocated(void); /* bytes of all devices */

/* The host reads or writes, on the calling thread. */
void gpu_double_touch(const void *data, size_t bytes, bool writes);

/* What a stream runs. `run` is called when all before it has ended, again and again until it returns true; it calls
 * gpu_work_touch or gpu_work_use for what it reads and writes. Both are called with everything else held still.
 * drop: frees ctx, some time after the last run, which may be one of many (graphs); NULL: run frees it, and it cannot
 * be captured. */
typedef struct gpu_work gpu_work;
typedef bool gpu_run(void *ctx, gpu_work *self);
void gpu_double_enqueue(cudaStream_t s, gpu_run *run, void *ctx);
bool gpu_double_submit(cudaStream_t s, gpu_run *run, void (*drop)(void *ctx), void *ctx); /* false: refused, dropped */
/* False, and a fault: the memory is not there to be touched. */
bool gpu_work_touch(gpu_work *w, const void *data, size_t bytes, bool writes); /* what is not from here is left alone */
bool gpu_work_use(gpu_work *w, const void *data, size_t bytes, bool writes); /* memory of the stream's device only */
void gpu_work_join(gpu_work *w, const gpu_work *earlier); /* w happens after what `earlier` happened after, and it */

/* A kernel that writes `bytes` of value into data, or compares it with it (a difference is a fault). */
void gpu_double_fill(cudaStream_t s, void *data, size_t bytes, int value);
void gpu_double_expect(cudaStream_t s, const void *data, size_t bytes, int value);

/* Under the double's lock: of other doubles. */
void gpu_double_lock(void);
void gpu_double_unlock(void);

#ifdef __cplusplus
}
#endif

#endif

/* Streams, their work and events. All under the double's lock, but for the entries of the table. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_STREAM_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_STREAM_H

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/graph.h"
#include "tests/engine/backend/cuda/double/object.h"
#include "tests/engine/backend/cuda/double/order.h"

typedef struct stream {
    gpu_object object;
    struct stream *next;
    int actor, device;
    clocks now; /* of what has run */
    gpu_work *first, **end;
    capture *in; /* NULL: not captured */
    int chain; /* of the capture */
    progress after; /* what its next node comes after */
} stream;

struct gpu_work {
    gpu_work *next;
    int actor, device;
    gpu_run *run;
    void (*drop)(void *ctx);
    void *ctx;
    clocks now; /* what the host knew at the time; when it runs, all that it happens after */
    bool begun;
};

stream *stream_of(cudaStream_t s); /* NULL and a fault, if it is none */
cudaError_t stream_add(stream *s, gpu_run *run, void (*drop)(void *ctx), void *ctx); /* or to the graph; drops if not */
void streams_run(void); /* each some way, as far as nothing moves any more */
bool streams_roll(void); /* of a coin */
void streams_reset(unsigned seed); /* after gpu_objects_free */

cudaError_t stream_create(cudaStream_t *out);
cudaError_t stream_destroy(cudaStream_t s);
cudaError_t stream_wait(cudaStream_t s);
cudaError_t stream_query(cudaStream_t s);
cudaError_t stream_wait_event(cudaStream_t s, cudaEvent_t e);
cudaError_t event_create(cudaEvent_t *out);
cudaError_t timed_event_create(cudaEvent_t *out);
cudaError_t event_destroy(cudaEvent_t e);
cudaError_t event_record(cudaEvent_t e, cudaStream_t s);
cudaError_t event_query(cudaEvent_t e);
cudaError_t event_wait(cudaEvent_t e);
cudaError_t event_elapsed(float *ms, cudaEvent_t start, cudaEvent_t end);

#endif

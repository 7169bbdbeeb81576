/* The reference backend as if it were a device: memory of its own, which the host can't touch, and work that is done
 * when it is waited for and not before. For what stages do about both. */
#ifndef DF_TESTS_ENGINE_EXEC_DEFERRED_BACKEND_H
#define DF_TESTS_ENGINE_EXEC_DEFERRED_BACKEND_H

#include "engine/backend/backend.h"

extern const df_backend deferred_backend;

/* Since the test set it to zero. */
typedef struct deferred_count {
    int nodes, uploads, downloads, waits, recordings, replays;
} deferred_count;
extern deferred_count deferred;

extern bool deferred_cannot_record; /* record_end fails */
extern bool deferred_fails; /* the next node that is run ends the wait */
extern size_t deferred_memory_bytes; /* of all contexts together; SIZE_MAX unless told */

/* For a transport between devices: enqueued behind `from`'s work, in front of what `to` gets from now on. Streams are
 * those of df_stage_stream. */
void deferred_copy(void *to_stream, void *to, void *from_stream, const void *from, size_t bytes);

#endif

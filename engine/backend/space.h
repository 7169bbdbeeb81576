/* Memory that nodes work in where it is not the host's: a backend's `space`, NULL where it is.
 *
 * Everything enqueued for one context (nodes that run, uploads, downloads, replays) happens in that order, behind the
 * caller's back: results are there, and memory of the host is free again, when wait() has returned. An error may show
 * only there. Functions take the context of df_backend.open. Threads: the context's caller. */
#ifndef DF_ENGINE_BACKEND_SPACE_H
#define DF_ENGINE_BACKEND_SPACE_H

#include <stddef.h>

#include "base/err.h"

typedef struct df_recording df_recording; /* the backend defines it */

typedef struct df_space {
    /* Aligned to 256 bytes, contents undefined. DF_ENOMEM says what was asked for and what is free. */
    df_code (*alloc)(void *ctx, void **p, size_t bytes, df_err *err);
    void (*free)(void *ctx, void *p); /* waits for what was enqueued; accepts NULL */
    size_t (*free_bytes)(void *ctx); /* that alloc could still give, in all; 0: not known */

    /* Memory of the host that uploads and downloads run fastest with. */
    df_code (*host_alloc)(void *ctx, void **p, size_t bytes, df_err *err);
    void (*host_free)(void *ctx, void *p);

    /* Enqueued. `from` of an upload and `to` of a download come from host_alloc and are borrowed until wait(). */
    df_code (*upload)(void *ctx, void *to, const void *from, size_t bytes, df_err *err);
    df_code (*download)(void *ctx, void *to, const void *from, size_t bytes, df_err *err);
    df_code (*wait)(void *ctx, df_err *err);

    /* What is enqueued between the first two is kept, not run; replay() enqueues it again, with the same memory. An
     * error of either means that it was not kept: whoever wants it run enqueues it plainly. record_end always follows a
     * record_begin that succeeded; nothing is allocated, freed or waited for in between. */
    df_code (*record_begin)(void *ctx, df_err *err);
    df_code (*record_end)(void *ctx, df_recording **out, df_err *err);
    df_code (*replay)(void *ctx, df_recording *r, df_err *err);
    void (*recording_close)(void *ctx, df_recording **r); /* waits for what was enqueued; accepts NULL */

    void *(*stream)(void *ctx); /* that all is enqueued on: for a transport between devices (comm.h, compute_on) */
} df_space;

#endif

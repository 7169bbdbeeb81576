/* What happens before what: vector clocks of streams and threads, and the accesses to memory held against them. All
 * under the double's lock. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_ORDER_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACTORS = 256 };

/* at[a] is how much of what actor a did happened before. Actors are streams, threads of the host and side branches of
 * graphs. */
typedef struct clocks {
    uint32_t at[ACTORS];
} clocks;

void clocks_join(clocks *to, const clocks *from);
int new_actor(clocks *now); /* joins in what an earlier holder of the number has done */
void free_actor(int actor, const clocks *now); /* which is over; now: what it has done */

/* The calling thread. */
typedef struct host_thread {
    unsigned generation;
    int actor;
    clocks now;
    int device;
    int captures; /* of its streams, under way */
    int last_error;
} host_thread;
host_thread *this_thread(void);

void order_reset(void);

/* Accesses to one piece of memory that later ones may collide with, and what of it was written at all. */
typedef struct history {
    struct access *accesses;
    struct span *written; /* in order, apart from each other */
} history;

typedef struct toucher {
    clocks *now;
    int actor;
    const char *who; /* "a stream" */
} toucher;

/* Reports a collision. Its own moment comes after all before of the same actor. */
void history_touch(history *h, const toucher *by, const void *data, size_t bytes, bool writes);
bool history_is_written(const history *h, const void *data, size_t bytes);
bool history_is_before(const history *h, const clocks *now); /* all of it */
void history_free(history *h);

#endif

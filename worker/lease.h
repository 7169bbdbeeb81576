/* A lease as the worker holds it: the coordinator's message, shared by the threads that work on it.
 *
 * Constant once made, with a count of holders; the last one to let go frees it. Threads: all functions are safe. */
#ifndef DF_WORKER_LEASE_H
#define DF_WORKER_LEASE_H

#include <stdatomic.h>

#include "base/err.h"
#include "farm.pb-c.h"

typedef struct df_lease {
    Diffarm__Message *msg; /* owned */
    const char *token;
    const Diffarm__JobSpec *job;
    Diffarm__Row *const *rows;
    size_t n_rows;
    atomic_int holders;
} df_lease;

/* Takes a message whose body is a Lease (checked by the wire: it has a token, a job and rows); held once. */
df_code df_lease_new(df_lease **out, Diffarm__Message **msg, df_err *err);
df_lease *df_lease_hold(df_lease *l);
void df_lease_drop(df_lease **l); /* accepts a pointer to NULL */

#endif

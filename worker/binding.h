/* Where the ranks of a pipeline run, told once at its start: host, cores, threads, GPUs.
 *
 *   df_binding mine = { .threads = n };  df_binding_look(&mine);  df_bindings_tell(comm, &mine, timeout_ms, log, &err);
 *
 * Launchers and batch systems bind ranks in many ways, or not at all; this says what each rank has after all of them.
 */
#ifndef DF_WORKER_BINDING_H
#define DF_WORKER_BINDING_H

#include "base/log.h"
#include "cluster/comm.h"

typedef struct df_binding {
    char host[64];
    char cores[128]; /* "0-3,8": where its threads may run */
    char gpus[128]; /* which of the host's it may see, by CUDA_VISIBLE_DEVICES; "unrestricted" without it */
    int threads; /* of its own */
} df_binding;

/* Host, cores and GPUs of the calling process. */
void df_binding_look(df_binding *b);

/* Every rank calls it, before anything else goes over c; rank 0 logs a line for each: "event=binding rank=1 of=2 ...".
 * DF_ETIMEOUT: a rank has not told its own in time. */
df_code df_bindings_tell(df_comm *c, const df_binding *mine, int64_t timeout_ms, const df_log *log, df_err *err);

#endif

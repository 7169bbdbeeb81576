/* A communicator whose data lies on GPUs and goes through pinned memory of the host, over the communicator that it is
 * opened on: where NCCL cannot be used.
 *
 *   df_comm_staged_open(&c, &cfg, &err);     c is the new one, which owns the old
 *
 * A message is copied down on a stream of its own when what compute_on's stream had been given at its posting has run,
 * then sent; received, then copied up. The host waits for nothing; copies of one message run beside another's way.
 * Pinned memory is taken as messages first need it, and kept: after the first passes nothing is allocated. */
#ifndef DF_CLUSTER_COMM_STAGED_H
#define DF_CLUSTER_COMM_STAGED_H

#include "cluster/comm.h"

struct df_cuda_runtime_ops; /* engine/backend/cuda/runtime.h */

typedef struct df_comm_staged_cfg {
    const struct df_cuda_runtime_ops *cuda; /* borrowed, outlives the communicator */
    int device; /* the calling thread's from here on */
} df_comm_staged_cfg;

/* *c is replaced; with an error it is as it was. */
df_code df_comm_staged_open(df_comm **c, const df_comm_staged_cfg *cfg, df_err *err);

#endif

/* A communicator whose data lies on GPUs and goes by NCCL; what steers a pipeline goes over the communicator that it
 * is opened on, beside it.
 *
 *   df_comm_mpi_open(&c, &err);  or any other whose ranks can reach each other
 *   df_comm_nccl_open(&c, &cfg, &err);     c is the new one, which owns the old
 *
 * NCCL has no tags. Each way between two ranks is a link (nccl/link.h), made when its first message goes, whose
 * messages both sides put in one order: the sender offers each message (channel, size) over the other communicator as
 * it puts it on the stream; the receiver takes the oldest receive of that channel. So a receive is on the GPU only when
 * its send is, and no kernel of NCCL's waits for something that may never come.
 *
 * Order with compute: compute_on names the stream that writes and reads buffers of messages posted from then on. A
 * message waits for what that stream had been given when it was posted, on the device. When test() has said that it is
 * done, what is given to the compute stream from then on may use the buffer. The host waits for nothing.
 * Double buffering is the pipeline's: each micro-batch in flight has memory of its own, so one is received while
 * another is computed and a third is sent.
 *
 * A peer that is gone: NCCL is asked for errors, and the other communicator tells; then every link is aborted and each
 * call returns the same DF_EUNREACHABLE. See docs/pipelines.md for how long that takes. */
#ifndef DF_CLUSTER_COMM_NCCL_H
#define DF_CLUSTER_COMM_NCCL_H

#include "cluster/comm.h"

struct df_nccl_api; /* cluster/nccl/api.h */
struct df_cuda_runtime_ops; /* engine/backend/cuda/runtime.h */

typedef struct df_comm_nccl_cfg {
    const struct df_nccl_api *nccl; /* borrowed, outlives the communicator; so does the other */
    const struct df_cuda_runtime_ops *cuda;
    int device; /* the calling thread's from here on */
    int64_t start_ms; /* a link that has not come up for so long has failed; 0: a minute */
    /* The same of a message that both ranks have given to NCCL, but not before its buffer is computed; 0: a quarter of
     * an hour, for rank 0 of a pipeline watches closer, and says more. */
    int64_t message_ms;
    int64_t check_ms; /* NCCL is asked for errors so often; 0: every 100 ms */
} df_comm_nccl_cfg;

/* *c is replaced; with an error it is as it was. */
df_code df_comm_nccl_open(df_comm **c, const df_comm_nccl_cfg *cfg, df_err *err);

#endif

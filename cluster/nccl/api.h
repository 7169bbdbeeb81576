/* NCCL as a table of functions: what the transport calls, and no more.
 *
 * `df_nccl_real` is NCCL's own, in the library diffarm_nccl (load.h); tests put a double in its place
 * (tests/cluster/nccl_double.h) that checks the order of calls. Entries mean what NCCL's documentation says of the
 * function named beside them. Communicators are non-blocking: what has not ended returns ncclInProgress, and
 * async_error says when it has; until then the communicator takes nothing else, and its stream must not be used. */
#ifndef DF_CLUSTER_NCCL_API_H
#define DF_CLUSTER_NCCL_API_H

#include <nccl.h>

typedef struct df_nccl_api {
    ncclResult_t (*version)(int *version); /* ncclGetVersion */
    ncclResult_t (*unique_id)(ncclUniqueId *id); /* ncclGetUniqueId: made by one rank, given to all of a communicator */
    ncclResult_t (*init)(ncclComm_t *comm, int n_ranks, ncclUniqueId id,
                         int rank); /* ncclCommInitRankConfig, blocking = 0: on the calling thread's device */
    ncclResult_t (*async_error)(ncclComm_t comm, ncclResult_t *state); /* ncclCommGetAsyncError */
    ncclResult_t (*group_start)(void); /* ncclGroupStart: what follows on this thread is launched together, */
    ncclResult_t (*group_end)(void); /* ncclGroupEnd: here */
    ncclResult_t (*send)(const void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s); /* ncclSend */
    ncclResult_t (*recv)(void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s); /* ncclRecv */
    ncclResult_t (*finalize)(ncclComm_t comm); /* ncclCommFinalize: done when both ranks have called it */
    ncclResult_t (*destroy)(ncclComm_t comm); /* ncclCommDestroy: after finalize is done */
    ncclResult_t (*abort)(ncclComm_t comm); /* ncclCommAbort: ends what runs on the device, frees */
    const char *(*error_text)(ncclResult_t r); /* ncclGetErrorString */
    const char *(*last_error)(ncclComm_t comm); /* ncclGetLastError; comm may be NULL */
} df_nccl_api;

extern const df_nccl_api df_nccl_real;

#endif

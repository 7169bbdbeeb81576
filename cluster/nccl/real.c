#include "cluster/nccl/api.h"

static ncclResult_t init(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    return ncclCommInitRankConfig(comm, n_ranks, id, rank, &config);
}

static ncclResult_t send(const void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s) {
    return ncclSend(data, bytes, ncclUint8, peer, comm, s);
}

static ncclResult_t recv(void *data, size_t bytes, int peer, ncclComm_t comm, cudaStream_t s) {
    return ncclRecv(data, bytes, ncclUint8, peer, comm, s);
}

const df_nccl_api df_nccl_real = {
    .version = ncclGetVersion,
    .unique_id = ncclGetUniqueId,
    .init = init,
    .async_error = ncclCommGetAsyncError,
    .group_start = ncclGroupStart,
    .group_end = ncclGroupEnd,
    .send = send,
    .recv = recv,
    .finalize = ncclCommFinalize,
    .destroy = ncclCommDestroy,
    .abort = ncclCommAbort,
    .error_text = ncclGetErrorString,
    .last_error = ncclGetLastError,
};

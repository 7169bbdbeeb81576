/* Which GPU each rank of a pipeline has, and whether NCCL can carry what goes between them.
 *
 *   df_gpu_bindings b;
 *   df_gpu_bindings_agree(&b, comm, cuda, 0, why_no_nccl, &err);      on every rank, before anything else goes over
 * comm b.of[comm->rank].device ... b.nccl ? df_comm_nccl_open(...) : b.reason df_gpu_bindings_close(&b);
 *
 * The rank's number on its host chooses: what the launcher says (Open MPI, Slurm, MPICH), else its place among the
 * ranks with its host's name. Of n GPUs that a process sees (CUDA_VISIBLE_DEVICES is CUDA's own affair) it takes that
 * number, counted from `first`, modulo n: where the launcher has given each rank a GPU of its own, all take number 0 of
 * one. Who shares one is found by its UUID. All ranks come to the same result, also to the same error. */
#ifndef DF_CLUSTER_GPU_BINDING_H
#define DF_CLUSTER_GPU_BINDING_H

#include <stdbool.h>

#include "cluster/comm.h"

struct df_cuda_runtime_ops; /* engine/backend/cuda/runtime.h */

typedef struct df_gpu_binding {
    char host[64];
    int local_rank; /* on that host */
    int device; /* as the rank's process counts them */
    int n_devices; /* that it sees */
    char name[64], bus[16]; /* "NVIDIA H100 80GB HBM3", "0000:1b:00" */
    unsigned char uuid[16];
    char problem[256]; /* "": none */
    char no_nccl[256]; /* why it has none; "": it has */
} df_gpu_binding;

typedef struct df_gpu_bindings {
    int n_ranks;
    df_gpu_binding *of; /* [n_ranks] */
    bool nccl; /* for all of them */
    char reason[320]; /* why not */
} df_gpu_bindings;

/* first: the GPU of the host's first rank: where others before it belong to other jobs. no_nccl: NULL, or why this rank
 * has no NCCL. DF_EUNSUPPORTED where a rank has no GPU, naming it. */
df_code df_gpu_bindings_agree(df_gpu_bindings *out, df_comm *c, const struct df_cuda_runtime_ops *cuda, int first,
                              const char *no_nccl, df_err *err);
void df_gpu_bindings_close(df_gpu_bindings *b);

/* "rank 1 of 4 on n1: GPU 1 of 2 (NVIDIA H100 80GB HBM3, 0000:1b:00)" into out[out_bytes]; returns out. */
char *df_gpu_binding_text(const df_gpu_bindings *b, int rank, char *out, size_t out_bytes);

/* The rank's number on its host by the launcher's environment; -1: it does not say. */
int df_gpu_local_rank(void);

#endif

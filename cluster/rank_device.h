/* The device of this rank, where a backend has devices of its own; and how its data goes to the other ranks.
 *
 *   df_rank_device d;
 *   df_rank_device_claim(&d, comm, backend, first, &err);     on every rank, before anything else goes over comm
 *   ... d.gpu to df_backend_cfg, d.text to the log ...
 *   df_rank_device_carry(&d, &comm, &err);     from here on data goes from device to device
 *
 * GPUs are chosen as gpu_binding.h says, counted from `first`: several workers of a host, each a job of its own, say
 * where theirs begin. All ranks come to the same result, also to the same error. */
#ifndef DF_CLUSTER_RANK_DEVICE_H
#define DF_CLUSTER_RANK_DEVICE_H

#include "cluster/comm.h"
#include "engine/backend/backend.h"

typedef struct df_rank_device {
    int gpu; /* for df_backend_cfg; 0 for backends without devices */
    bool nccl; /* all ranks could use it */
    char text[256]; /* "rank 1 of 4 on n1: GPU 1 of 2 (NVIDIA H100 80GB HBM3, 0000:1b:00)"; "": there is no device */
    char why[320]; /* not NCCL; "": several ranks, and it can be used, or one */
    const char *carrier; /* what carries data between ranks: "nccl", "staged"; NULL: what carries all else */
} df_rank_device;

/* DF_EUNSUPPORTED where a rank has no GPU, naming it; DF_OK at once for a backend without devices. */
df_code df_rank_device_claim(df_rank_device *out, df_comm *c, const df_backend *backend, int first, df_err *err);

/* Puts NCCL on top of *c where all ranks can use it, else copies through pinned memory of the host (comm_staged.h);
 * with one rank, or without devices, nothing is to be carried. The same on every rank. *c is replaced; with an error it
 * is as it was. */
df_code df_rank_device_carry(df_rank_device *d, df_comm **c, df_err *err);

#endif

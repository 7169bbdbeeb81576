/* Pinned memory in which numbers of the host travel to a GPU while the host goes on. A parcel is free again when its
 * copy has been made; until then the next numbers take another one. */
#ifndef DF_ENGINE_BACKEND_CUDA_PARCELS_H
#define DF_ENGINE_BACKEND_CUDA_PARCELS_H

#include "base/err.h"
#include "engine/backend/cuda/runtime.h"

/* So many are on their way at most; whoever wants one more waits for the first of them. */
enum { DF_CUDA_MOST_PARCELS = 64 };

typedef struct df_cuda_parcel {
    struct df_cuda_parcel *next;
    void *contents; /* pinned, [bytes] */
    size_t bytes;
    cudaEvent_t copied;
} df_cuda_parcel;

typedef struct df_cuda_parcels {
    df_cuda_parcel *free, *sent, *last_sent; /* sent: in the order of the copies */
    int n;
} df_cuda_parcels;

/* A parcel of at least so many bytes, the caller's until it is sent or put back. */
df_code df_cuda_parcel_take(df_cuda_parcels *p, df_cuda_parcel **out, size_t bytes, df_err *err);
/* Enqueues the copy of its first bytes. */
df_code df_cuda_parcel_send(df_cuda_parcels *p, df_cuda_parcel *parcel, void *to, size_t bytes, cudaStream_t stream,
                            df_err *err);
void df_cuda_parcel_put_back(df_cuda_parcels *p, df_cuda_parcel *parcel);
void df_cuda_parcels_close(df_cuda_parcels *p); /* the stream has been waited for */

#endif

#include "engine/backend/cuda/parcels.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/backend/cuda/context.h"

static df_cuda_parcel *take_first(df_cuda_parcel **list) {
    df_cuda_parcel *first = *list;
    if (first) *list = first->next;
    return first;
}

static void parcel_close(df_cuda_parcel *parcel) {
    if (!parcel) return;
    if (parcel->copied) df_cuda_runtime.event_destroy(parcel->copied);
    if (parcel->contents) df_cuda_runtime.host_free(parcel->contents);
    free(parcel);
}

static df_code parcel_open(df_cuda_parcel **out, df_err *err) {
    df_cuda_parcel *parcel = calloc(1, sizeof *parcel);
    if (!parcel) return df_err_set(err, DF_ENOMEM, "a copy to the GPU");
    cudaError_t e = df_cuda_runtime.event_create(&parcel->copied);
    if (e) {
        free(parcel);
        return df_cuda_error(err, e, "an event");
    }
    *out = parcel;
    return DF_OK;
}

static df_code enlarge(df_cuda_parcel *parcel, size_t bytes, df_err *err) {
    if (parcel->bytes >= bytes) return DF_OK;
    if (parcel->contents) df_cuda_runtime.host_free(parcel->contents);
    parcel->contents = NULL;
    parcel->bytes = 0;
    if (df_cuda_runtime.host_alloc(&parcel->contents, bytes)) {
        df_cuda_runtime.last_error();
        return df_err_set(err, DF_ENOMEM, "%zu bytes of pinned memory", bytes);
    }
    parcel->bytes = bytes;
    return DF_OK;
}

static void free_first_sent(df_cuda_parcels *p) {
    df_cuda_parcel *parcel = take_first(&p->sent);
    parcel->next = p->free;
    p->free = parcel;
}

/* Copies end in the order in which they were enqueued. */
static df_code collect(df_cuda_parcels *p, df_err *err) {
    cudaError_t e = cudaSuccess;
    while (p->sent && !(e = df_cuda_runtime.event_query(p->sent->copied))) free_first_sent(p);
    if (e == cudaErrorNotReady) {
        df_cuda_runtime.last_error();
        e = cudaSuccess;
    }
    if (!e && !p->free && p->n == DF_CUDA_MOST_PARCELS && !(e = df_cuda_runtime.event_wait(p->sent->copied)))
        free_first_sent(p);
    return e ? df_cuda_error(err, e, "copying numbers") : DF_OK;
}

df_code df_cuda_parcel_take(df_cuda_parcels *p, df_cuda_parcel **out, size_t bytes, df_err *err) {
    df_code rc = collect(p, err);
    if (rc) return rc;
    df_cuda_parcel *parcel = take_first(&p->free);
    if (!parcel) {
        if ((rc = parcel_open(&parcel, err))) return rc;
        p->n++;
    }
    if ((rc = enlarge(parcel, bytes ? bytes : 1, err))) {
        df_cuda_parcel_put_back(p, parcel);
        return rc;
    }
    *out = parcel;
    return DF_OK;
}

df_code df_cuda_parcel_send(df_cuda_parcels *p, df_cuda_parcel *parcel, void *to, size_t bytes, cudaStream_t stream,
                            df_err *err) {
    cudaError_t e = df_cuda_runtime.copy(to, parcel->contents, bytes, cudaMemcpyHostToDevice, stream);
    if (!e) e = df_cuda_runtime.event_record(parcel->copied, stream);
    if (e) { /* it may be on its way all the same */
        df_cuda_runtime.stream_wait(stream);
        df_cuda_parcel_put_back(p, parcel);
        return df_cuda_error(err, e, "copying numbers");
    }
    parcel->next = NULL;
    if (p->sent)
        p->last_sent->next = parcel;
    else
        p->sent = parcel;
    p->last_sent = parcel;
    return DF_OK;
}

void df_cuda_parcel_put_back(df_cuda_parcels *p, df_cuda_parcel *parcel) {
    parcel->next = p->free;
    p->free = parcel;
}

void df_cuda_parcels_close(df_cuda_parcels *p) {
    while (p->sent) free_first_sent(p);
    while (p->free) parcel_close(take_first(&p->free));
    p->n = 0;
}

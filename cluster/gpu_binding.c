#include "cluster/gpu_binding.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/channels.h"
#include "engine/backend/cuda/runtime.h"

int df_gpu_local_rank(void) {
    static const char *const names[] = { "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        char *end;
        if (!text || !*text) continue;
        long v = strtol(text, &end, 10);
        if (!*end && v >= 0 && v <= INT_MAX) return (int)v;
    }
    return -1;
}

/* Each rank's own entry to all: by way of rank 0, which needs no other to know its size. */
static df_code share(df_gpu_bindings *b, df_comm *c, df_err *err) {
    size_t one = sizeof *b->of, all = one * (size_t)b->n_ranks;
    df_code rc = DF_OK;
    if (c->rank) {
        rc = df_comm_send_now(c, 0, DF_CHANNEL_DEVICE, &b->of[c->rank], one, err);
        return rc ? rc : df_comm_recv_now(c, 0, DF_CHANNEL_DEVICE, b->of, all, err);
    }
    for (int r = 1; r < c->size && !rc; r++) rc = df_comm_recv_now(c, r, DF_CHANNEL_DEVICE, &b->of[r], one, err);
    for (int r = 1; r < c->size && !rc; r++) rc = df_comm_send_now(c, r, DF_CHANNEL_DEVICE, b->of, all, err);
    return rc;
}

static int place_on_host(const df_gpu_bindings *b, int rank) {
    int place = 0;
    for (int r = 0; r < rank; r++) place += !strcmp(b->of[r].host, b->of[rank].host);
    return place;
}

static void say_none(df_gpu_binding *m, const char *why) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible)
        snprintf(m->problem, sizeof m->problem, "no GPU: %s (CUDA_VISIBLE_DEVICES is '%.64s')", why, visible);
    else
        snprintf(m->problem, sizeof m->problem, "no GPU: %s", why);
}

static void choose(df_gpu_binding *m, const df_cuda_runtime_ops *cuda, int first) {
    struct cudaDeviceProp p;
    int n = 0, driver = 0;
    cudaError_t e = cuda->driver_version(&driver);
    bool none = !e && !driver; /* what CUDA itself then says is that it is too old */
    if (!e) e = cuda->device_count(&n);
    if (e || n < 1) {
        say_none(m, none ? "no NVIDIA driver on this host" : e ? cuda->error_text(e) : "none is visible");
        return;
    }
    m->n_devices = n;
    m->device = (first + m->local_rank) % n;
    if ((e = cuda->device_properties(&p, m->device))) {
        snprintf(m->problem, sizeof m->problem, "GPU %d: %s", m->device, cuda->error_text(e));
        return;
    }
    snprintf(m->name, sizeof m->name, "%.*s", (int)sizeof m->name - 1, p.name);
    snprintf(m->bus, sizeof m->bus, "%04x:%02x:%02x", (unsigned)p.pciDomainID & 0xffff, (unsigned)p.pciBusID & 0xff,
             (unsigned)p.pciDeviceID & 0xff);
    memcpy(m->uuid, &p.uuid, sizeof m->uuid);
}

static bool share_a_gpu(const df_gpu_binding *a, const df_gpu_binding *b) {
    return !strcmp(a->host, b->host) && !memcmp(a->uuid, b->uuid, sizeof a->uuid) && !strcmp(a->bus, b->bus);
}

/* What all ranks conclude from the same entries. */
static df_code conclude(df_gpu_bindings *b, df_err *err) {
    for (int r = 0; r < b->n_ranks; r++)
        if (*b->of[r].problem)
            return df_err_set(err, DF_EUNSUPPORTED, "rank %d on %s: %s", r, b->of[r].host, b->of[r].problem);
    for (int r = 0; r < b->n_ranks && !*b->reason; r++)
        if (*b->of[r].no_nccl) snprintf(b->reason, sizeof b->reason, "rank %d: %s", r, b->of[r].no_nccl);
    for (int r = 0; r < b->n_ranks; r++)
        for (int q = 0; q < r && !*b->reason; q++)
            if (share_a_gpu(&b->of[q], &b->of[r]))
                snprintf(b->reason, sizeof b->reason,
                         "ranks %d and %d share GPU %d (%s) of %s, which NCCL does not allow", q, r, b->of[r].device,
                         b->of[r].bus, b->of[r].host);
    b->nccl = !*b->reason;
    return DF_OK;
}

df_code df_gpu_bindings_agree(df_gpu_bindings *out, df_comm *c, const struct df_cuda_runtime_ops *cuda, int first,
                              const char *no_nccl, df_err *err) {
    df_gpu_bindings b = { .n_ranks = c->size, .of = calloc((size_t)c->size, sizeof *b.of) };
    if (!b.of) return df_err_set(err, DF_ENOMEM, "GPUs of %d ranks", c->size);
    df_gpu_binding *mine = &b.of[c->rank];
    if (gethostname(mine->host, sizeof mine->host - 1)) strcpy(mine->host, "?");
    if (no_nccl) snprintf(mine->no_nccl, sizeof mine->no_nccl, "%s", no_nccl);
    df_code rc = share(&b, c, err);
    if (!rc) {
        int told = df_gpu_local_rank();
        mine->local_rank = told < 0 ? place_on_host(&b, c->rank) : told;
        choose(mine, cuda, first);
        rc = share(&b, c, err);
    }
    if (!rc) rc = conclude(&b, err);
    if (rc)
        df_gpu_bindings_close(&b);
    else
        *out = b;
    return rc;
}

void df_gpu_bindings_close(df_gpu_bindings *b) {
    free(b->of);
    *b = (df_gpu_bindings) { 0 };
}

char *df_gpu_binding_text(const df_gpu_bindings *b, int rank, char *out, size_t out_bytes) {
    const df_gpu_binding *m = &b->of[rank];
    snprintf(out, out_bytes, "rank %d of %d on %s: GPU %d of %d (%s, %s)", rank, b->n_ranks, m->host, m->device,
             m->n_devices, m->name, m->bus);
    return out;
}

#include "cluster/rank_device.h"

#include <stdio.h>

#include "cluster/comm_nccl.h"
#include "cluster/comm_staged.h"
#include "cluster/gpu_binding.h"
#include "cluster/nccl/load.h"
#include "engine/backend/cuda/module.h"

/* NCCL is only of interest where there are several. */
static const char *why_no_nccl(const df_comm *c, df_err *why) {
    const struct df_nccl_api *nccl;
    return c->size > 1 && df_nccl_load(&nccl, why) ? why->text : NULL;
}

df_code df_rank_device_claim(df_rank_device *out, df_comm *c, const df_backend *backend, int first, df_err *err) {
    const df_cuda_module *m;
    df_gpu_bindings b;
    df_err why;
    *out = (df_rank_device) { .gpu = 0 };
    if (!backend->space) return DF_OK;
    df_code rc = df_cuda_module_load(&m, err);
    if (!rc) rc = df_gpu_bindings_agree(&b, c, m->runtime, first, why_no_nccl(c, &why), err);
    if (rc) return rc;
    out->gpu = b.of[c->rank].device;
    out->nccl = b.nccl;
    df_gpu_binding_text(&b, c->rank, out->text, sizeof out->text);
    if (c->size > 1) snprintf(out->why, sizeof out->why, "%s", b.reason);
    df_gpu_bindings_close(&b);
    return DF_OK;
}

static df_code carry_by_nccl(const df_rank_device *d, df_comm **c, const df_cuda_module *m, df_err *err) {
    df_comm_nccl_cfg cfg = { .cuda = m->runtime, .device = d->gpu };
    df_code rc = df_nccl_load(&cfg.nccl, err);
    return rc ? rc : df_comm_nccl_open(c, &cfg, err);
}

df_code df_rank_device_carry(df_rank_device *d, df_comm **c, df_err *err) {
    const df_cuda_module *m;
    if (!d->text[0] || (*c)->size == 1) return DF_OK;
    df_code rc = df_cuda_module_load(&m, err);
    if (rc) return rc;
    const df_comm_staged_cfg staged = { .cuda = m->runtime, .device = d->gpu };
    rc = d->nccl ? carry_by_nccl(d, c, m, err) : df_comm_staged_open(c, &staged, err);
    if (!rc) d->carrier = (*c)->ops->name;
    return rc;
}

#include "cluster/rank_device.h"

#include <stdio.h>

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

#include "client/bench/gpu/device.h"

#include <stdio.h>
#include <string.h>

#include "base/cores.h"
#include "client/backend_choice.h"
#include "client/bench/scale/machine.h"

static void name_processor(df_gpu_device *d, int threads) {
    const df_scale_machine m = df_scale_this_machine("", false);
    snprintf(d->name, sizeof d->name, "%.100s, %d threads", m.cpu, threads ? threads : df_cores_count());
}

df_code df_gpu_device_open(df_gpu_device *out, const df_gpu_options *o, df_err *err) {
    bool cuda = !strcmp(o->backend, "cuda");
    df_gpu_device d = { .backend = NULL };
    void *ctx = NULL;
    df_code rc = df_backend_choose(&d.backend, o->backend, o->backend_cfg.gpu, err);
    if (!rc) rc = d.backend->open(&ctx, &o->backend_cfg, err);
    if (ctx) d.backend->close(&ctx);
    if (!rc && cuda) rc = df_backend_device(d.backend, o->backend_cfg.gpu, d.name, sizeof d.name, err);
    if (!rc && !cuda) name_processor(&d, o->backend_cfg.threads);
    if (!rc) *out = d;
    return rc;
}

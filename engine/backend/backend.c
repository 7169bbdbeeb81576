#include "engine/backend/backend.h"

#include <string.h>

static const df_backend *const backends[] = {
    &df_backend_reference,
#ifdef DF_WITH_CPU_BACKEND
    &df_backend_cpu,
#endif
};

const df_backend *df_backend_find(const char *name) {
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (!strcmp(backends[i]->name, name)) return backends[i];
    return NULL;
}

df_code df_backend_can_compute_in(const df_backend *backend, df_dtype dtype, df_err *err) {
    void *ctx = NULL;
    df_code rc = backend->open(&ctx, &(df_backend_cfg) { .dtype = dtype, .threads = 1 }, err);
    if (!rc) backend->close(&ctx);
    return rc;
}

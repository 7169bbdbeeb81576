#include "engine/backend/backend.h"

#include <string.h>

#include "base/cpu.h"
#include "engine/backend/cuda/module.h"

static const df_backend *const backends[] = {
    &df_backend_reference,
#ifdef DF_WITH_CPU_BACKEND
    &df_backend_cpu,
#endif
};

static df_code load_cuda(const df_backend **out, df_err *err) {
    const df_cuda_module *m;
    df_code rc = df_cuda_module_load(&m, err);
    if (!rc) *out = m->backend;
    return rc;
}

df_code df_backend_load(const df_backend **out, const char *name, df_err *err) {
    if (!strcmp(name, "cuda")) return load_cuda(out, err);
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (strcmp(backends[i]->name, name)) continue;
        *out = backends[i];
        return DF_OK;
    }
    return df_err_set(err, DF_EINVAL, "there is no backend '%s': cpu, cuda or reference", name);
}

df_code df_backend_device(const df_backend *backend, int gpu, char *out, size_t out_bytes, df_err *err) {
    const df_cuda_module *m;
    if (!backend->space) {
        df_cpu_name(out, out_bytes);
        return DF_OK;
    }
    df_code rc = df_cuda_module_load(&m, err);
    return rc ? rc : m->describe(gpu, out, out_bytes, err);
}

const df_backend *df_backend_find(const char *name) {
    const df_backend *b = NULL;
    return df_backend_load(&b, name, NULL) ? NULL : b;
}

bool df_arithmetic_of(const char *name, df_arithmetic *out) {
    static const struct {
        const char *name;
        df_arithmetic is;
    } known[] = { { "f32", { .dtype = DF_F32 } },
                  { "bf16", { .dtype = DF_BF16 } },
                  { "f16", { .dtype = DF_F16 } },
                  { "int8", { .dtype = DF_BF16, .int8 = true } } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        *out = known[i].is;
        return true;
    }
    return false;
}

void df_backend_weight_bytes(const df_backend *backend, const df_backend_cfg *cfg, const df_graph *g, size_t *of_node) {
    void *ctx = NULL;
    bool works = !backend->open(&ctx, cfg, NULL);
    for (int i = 0; i < g->n_nodes; i++)
        of_node[i] = works ? backend->node_weight_bytes(ctx, g, &g->nodes[i])
                           : (size_t)df_node_parameters(g, &g->nodes[i]) * df_dtype_bytes(cfg->dtype);
    if (works) backend->close(&ctx);
}

df_code df_backend_can_do(const df_backend *backend, df_arithmetic arithmetic, df_err *err) {
    void *ctx = NULL;
    const df_backend_cfg cfg = { .dtype = arithmetic.dtype, .threads = 1, .int8 = arithmetic.int8 };
    df_code rc = backend->open(&ctx, &cfg, err);
    if (!rc) backend->close(&ctx);
    return rc;
}

df_code df_backend_can_compute_in(const df_backend *backend, df_dtype dtype, df_err *err) {
    return df_backend_can_do(backend, (df_arithmetic) { .dtype = dtype }, err);
}

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

#include "client/backend_choice.h"

#include <string.h>

#include "client/exit_code.h"

df_code df_backend_choose(const df_backend **out, const char *name, int gpu, df_err *err) {
    char device[256];
    const df_backend *b = NULL;
    df_code rc = df_backend_load(&b, name, err);
    if (!rc) rc = df_backend_device(b, gpu, device, sizeof device, err);
    if (!rc) *out = b;
    return rc;
}

/* Backends of the host are always there: what they cannot do is a type. */
int df_exit_without_backend(const char *name, const df_err *err) {
    int code = df_exit_with(err);
    return !strcmp(name, "cuda") && err->code == DF_EUNSUPPORTED ? DF_EXIT_NO_FARM : code;
}

#include "cluster/nccl/load.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/library.h"

enum { OLDEST = 21800 }; /* non-blocking groups of point-to-point messages, and finalize */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const df_nccl_module *loaded;

char *df_nccl_version_text(int code, char *out) {
    snprintf(out, 16, "%d.%d.%d", code / 10000 % 1000, code / 100 % 100, code % 100);
    return out;
}

static df_code refuse(const df_err *why, bool ours, df_err *err) {
    if (ours)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "the NCCL transport is not there: %s; build with CUDA and NCCL (-DDF_CUDA=ON)", why->text);
    return df_err_set(err, DF_EUNSUPPORTED,
                      "NCCL is not installed: %s; install libnccl2 or add its folder to LD_LIBRARY_PATH", why->text);
}

static df_code check(const df_nccl_module *m, df_err *err) {
    char have[16], need[16];
    if (m->interface != DF_NCCL_MODULE_INTERFACE)
        return df_err_set(err, DF_EUNSUPPORTED,
                          DF_NCCL_MODULE_FILE " is of another build than this program: its interface is %d, not %d",
                          m->interface, DF_NCCL_MODULE_INTERFACE);
    int running = m->running();
    if (running >= OLDEST) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "NCCL %s is too old: %s or later is needed",
                      df_nccl_version_text(running, have), df_nccl_version_text(OLDEST, need));
}

static df_code load(df_err *err) {
    const void *found = NULL;
    bool ours = true;
    df_err why;
    if (df_library_load(&found, DF_NCCL_MODULE_FILE, DF_NCCL_MODULE_SYMBOL, &ours, &why))
        return refuse(&why, ours, err);
    df_code rc = check(found, err);
    if (!rc) loaded = found;
    return rc;
}

df_code df_nccl_load(const struct df_nccl_api **out, df_err *err) {
    pthread_mutex_lock(&lock);
    df_code rc = loaded ? DF_OK : load(err);
    if (!rc) *out = loaded->api;
    pthread_mutex_unlock(&lock);
    return rc;
}

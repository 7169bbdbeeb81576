#include <pthread.h>
#include <stdbool.h>

#include "base/library.h"
#include "engine/backend/cuda/module.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const df_cuda_module *loaded; /* for good: CUDA does not come back from being unloaded */

static df_code refuse(const df_err *why, bool ours, df_err *err) {
    if (ours)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "the cuda backend is not there: %s; build with the CUDA toolkit (-DDF_CUDA=ON)", why->text);
    return df_err_set(err, DF_EUNSUPPORTED,
                      "a library of CUDA is missing: %s; install it or add its folder to LD_LIBRARY_PATH", why->text);
}

static df_code load(df_err *err) {
    const void *found = NULL;
    bool ours = true;
    df_err why;
    if (df_library_load(&found, DF_CUDA_MODULE_FILE, DF_CUDA_MODULE_SYMBOL, &ours, &why))
        return refuse(&why, ours, err);
    const df_cuda_module *m = found;
    if (m->interface != DF_CUDA_MODULE_INTERFACE)
        return df_err_set(err, DF_EUNSUPPORTED,
                          DF_CUDA_MODULE_FILE " is of another build than this program: its interface is %d, not %d",
                          m->interface, DF_CUDA_MODULE_INTERFACE);
    loaded = m;
    return DF_OK;
}

df_code df_cuda_module_load(const df_cuda_module **out, df_err *err) {
    pthread_mutex_lock(&lock);
    df_code rc = loaded ? DF_OK : load(err);
    *out = loaded;
    pthread_mutex_unlock(&lock);
    return rc;
}

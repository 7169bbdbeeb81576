#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/backend/cuda/module.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const df_cuda_module *loaded; /* for good: CUDA does not come back from being unloaded */

/* Of the program's folder, where a build and an installation have it. False: its place is not known. */
static bool beside_program(char *path, size_t bytes) {
    char program[2048];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) return false;
    *slash = '\0';
    n = snprintf(path, bytes, "%s/../lib/" DF_CUDA_MODULE_FILE, program);
    return n > 0 && (size_t)n < bytes;
}

/* What cannot be found is the library itself or one of CUDA's that it needs. */
static df_code refuse(const char *why, df_err *err) {
    if (!strncmp(why, DF_CUDA_MODULE_FILE ":", strlen(DF_CUDA_MODULE_FILE ":")) || strstr(why, "/" DF_CUDA_MODULE_FILE ":"))
        return df_err_set(err, DF_EUNSUPPORTED,
                          "the cuda backend is not there: %s; build with the CUDA toolkit (-DDF_CUDA=ON)", why);
    return df_err_set(err, DF_EUNSUPPORTED, "a library of CUDA is missing: %s; install it or add its folder to "
                      "LD_LIBRARY_PATH", why);
}

static df_code load(const df_cuda_module **out, df_err *err) {
    char path[2304], why[512];
    void *library = dlopen(DF_CUDA_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
    if (!library && beside_program(path, sizeof path)) library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        snprintf(why, sizeof why, "%s", text ? text : DF_CUDA_MODULE_FILE ": not loaded");
        return refuse(why, err);
    }
    const df_cuda_module *m = dlsym(library, DF_CUDA_MODULE_SYMBOL);
    if (!m || m->interface != DF_CUDA_MODULE_INTERFACE) {
        dlclose(library);
        return df_err_set(err, DF_EUNSUPPORTED, DF_CUDA_MODULE_FILE " is of another build than this program: its "
                          "interface is %d, not %d", m ? m->interface : 0, DF_CUDA_MODULE_INTERFACE);
    }
    *out = m;
    return DF_OK;
}

df_code df_cuda_module_load(const df_cuda_module **out, df_err *err) {
    pthread_mutex_lock(&lock);
    df_code rc = loaded ? DF_OK : load(&loaded, err);
    *out = loaded;
    pthread_mutex_unlock(&lock);
    return rc;
}

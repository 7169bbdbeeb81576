/* The library diffarm_cuda: everything that needs CUDA, loaded when a GPU is asked for, so that programs that need none
 * start without it and run where it is not installed.
 *
 *   const df_cuda_module *m;
 *   rc = df_cuda_module_load(&m, &err);       DF_EUNSUPPORTED: not built, or a library of CUDA is not there (says
 * which) m->backend ...
 *
 * Loaded once and never unloaded. It is looked for where the loader looks (so a folder in LD_LIBRARY_PATH goes first)
 * and beside the program, in ../lib. Threads: any. */
#ifndef DF_ENGINE_BACKEND_CUDA_MODULE_H
#define DF_ENGINE_BACKEND_CUDA_MODULE_H

#include <stddef.h>

#include "base/err.h"

struct df_backend; /* engine/backend/backend.h */
struct df_cuda_runtime_ops; /* runtime.h */

typedef struct df_cuda_module {
    int interface; /* DF_CUDA_MODULE_INTERFACE of the build it is from */
    const struct df_backend *backend;
    const struct df_cuda_runtime_ops *runtime;
    int cuda_version; /* of the toolkit it is built with: 13000 is 13.0 */
    df_code (*describe)(int gpu, char *out, size_t out_bytes, df_err *err); /* describe.h */
} df_cuda_module;

enum { DF_CUDA_MODULE_INTERFACE = 3 }; /* grows whenever a table it reaches changes */

#define DF_CUDA_MODULE_FILE "libdiffarm_cuda.so"
#define DF_CUDA_MODULE_SYMBOL "df_cuda_module_exported" /* a df_cuda_module */

df_code df_cuda_module_load(const df_cuda_module **out, df_err *err);

#endif

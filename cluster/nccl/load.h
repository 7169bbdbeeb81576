/* The library diffarm_nccl: NCCL's table, loaded when GPUs of several ranks are to talk.
 *
 *   const df_nccl_api *nccl;
 *   rc = df_nccl_load(&nccl, &err);       DF_EUNSUPPORTED: not built, or NCCL is not installed (says which), or too old
 *
 * Loaded once and never unloaded. Threads: any. */
#ifndef DF_CLUSTER_NCCL_LOAD_H
#define DF_CLUSTER_NCCL_LOAD_H

#include "base/err.h"

struct df_nccl_api; /* api.h */

#define DF_NCCL_MODULE_FILE "libdiffarm_nccl.so"
#define DF_NCCL_MODULE_SYMBOL "df_nccl_module_exported" /* a df_nccl_module */

typedef struct df_nccl_module {
    int interface; /* DF_NCCL_MODULE_INTERFACE of the build it is from */
    int (*running)(void); /* of the NCCL that it has found; 0: it does not say */
    const struct df_nccl_api *api;
} df_nccl_module;

enum { DF_NCCL_MODULE_INTERFACE = 1 }; /* grows whenever the table changes */

df_code df_nccl_load(const struct df_nccl_api **out, df_err *err);

/* "2.28.9" of 22809, into out[16]; returns out. */
char *df_nccl_version_text(int code, char *out);

#endif

#include "cluster/nccl/api.h"
#include "cluster/nccl/load.h"

static int running(void) {
    int code = 0;
    return df_nccl_real.version(&code) == ncclSuccess ? code : 0;
}

extern const df_nccl_module df_nccl_module_exported;

const df_nccl_module df_nccl_module_exported = {
    .interface = DF_NCCL_MODULE_INTERFACE,
    .running = running,
    .api = &df_nccl_real,
};

/* Beside the module of doubles: an NCCL that is too old for us, as the real one would speak to a real driver. Programs
 * then carry values between ranks through pinned memory. */
#include <stddef.h>

#include "cluster/nccl/load.h"

static int running(void) {
    return 21000; /* 2.10 */
}

extern const df_nccl_module df_nccl_module_exported;
const df_nccl_module df_nccl_module_exported = { DF_NCCL_MODULE_INTERFACE, running, NULL };

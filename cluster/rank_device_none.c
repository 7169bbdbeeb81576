/* In a build without CUDA. */
#include "cluster/rank_device.h"

df_code df_rank_device_claim(df_rank_device *out, df_comm *c, const df_backend *backend, int first, df_err *err) {
    (void)c, (void)first;
    *out = (df_rank_device) { .gpu = 0 };
    return backend->space ? df_err_set(err, DF_EUNSUPPORTED, "backend %s: built without CUDA", backend->name) : DF_OK;
}

df_code df_rank_device_carry(df_rank_device *d, df_comm **c, df_err *err) {
    (void)d, (void)c, (void)err;
    return DF_OK;
}

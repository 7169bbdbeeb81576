/* What a command prints. */
#ifndef DF_CLIENT_SLURM_OUTPUT_H
#define DF_CLIENT_SLURM_OUTPUT_H

#include <stddef.h>

#include "base/err.h"

/* Runs the command (NULL at the end; env: "NAME=VALUE", may be NULL) and reads its output to the end: what does not fit
 * into out is dropped. Its errors go to ours. DF_EUNREACHABLE if it cannot be started or ends with an error, DF_EINVAL
 * if that is exit code 2. */
df_code df_output_of(const char *const *argv, const char *const *env, char *out, size_t out_bytes, df_err *err);

#endif

/* Where the coordinator listens, and what it tells others to connect to. */
#ifndef DF_COORDINATOR_ENDPOINT_H
#define DF_COORDINATOR_ENDPOINT_H

#include <stdbool.h>

#include "base/err.h"
#include "coordinator/state_dir.h"

/* DF_EINVAL unless it is secure (peers prove themselves by keys) or this machine alone can reach it. */
df_code df_endpoint_check(const char *bind, bool secure, df_err *err);

/* Binds. A wildcard port becomes the port of `before` (the endpoint of the last start, may be "") if it is free, so
 * that peers find a restarted coordinator again; else any. out[DF_ENDPOINT_BYTES]: what to connect to; "all interfaces"
 * is told by this machine's name, which other machines can use too. */
df_code df_endpoint_bind(void *socket, const char *bind, const char *before, char *out, df_err *err);

#endif

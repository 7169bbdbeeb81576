/* The state folder: STATE/lock keeps a second coordinator out, STATE/endpoint says where the first listens. */
#ifndef DF_COORDINATOR_STATE_DIR_H
#define DF_COORDINATOR_STATE_DIR_H

#include "base/err.h"

enum { DF_ENDPOINT_BYTES = 256 };

/* Makes the folder if need be and locks it until *lock_fd is closed (or the process dies). DF_EEXIST: taken. */
df_code df_state_dir_lock(const char *path, int *lock_fd, df_err *err);
df_code df_state_dir_write_endpoint(const char *path, const char *endpoint, df_err *err);
/* The endpoint of the last start into out[DF_ENDPOINT_BYTES], "" if there was none. */
void df_state_dir_read_endpoint(const char *path, char *out);

#endif

/* The line of a child's log that says why it ended. */
#ifndef DF_CLIENT_RENDER_LOG_TAIL_H
#define DF_CLIENT_RENDER_LOG_TAIL_H

#include <stddef.h>

/* The last "diffarm: error: TEXT" of the file's end as TEXT, else its last line that is not empty; "" if there is none.
 * Returns out. */
char *df_log_tail(const char *path, char *out, size_t out_bytes);

#endif

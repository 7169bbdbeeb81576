/* What a child's log has to say at its end. */
#ifndef DF_CLIENT_RENDER_LOG_TAIL_H
#define DF_CLIENT_RENDER_LOG_TAIL_H

#include <stddef.h>
#include <stdio.h>

/* The last "diffarm: error: TEXT" of the file's end as TEXT, else its last line that is not empty; "" if there is none.
 * Returns out. */
char *df_log_tail(const char *path, char *out, size_t out_bytes);
/* The lines of the file that begin with `mark`. */
void df_log_relay(const char *path, const char *mark, FILE *to);

#endif

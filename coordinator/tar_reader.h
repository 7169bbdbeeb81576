/* A tar archive of shards' kind, read once from front to back: members are asked for in the order they lie in.
 *
 *   df_tar_reader_open(&r, fd, &err);                         takes the descriptor
 *   df_tar_reader_find(r, "00000007.png", max, &data, &bytes, &err);   ...
 *   df_tar_reader_close(&r);
 *
 * Nothing in the archive is trusted: a cut or damaged one holds what comes before the damage. */
#ifndef DF_COORDINATOR_TAR_READER_H
#define DF_COORDINATOR_TAR_READER_H

#include <stddef.h>

#include "base/err.h"

typedef struct df_tar_reader df_tar_reader;

df_code df_tar_reader_open(df_tar_reader **out, int fd, df_err *err);
void df_tar_reader_close(df_tar_reader **r); /* accepts a pointer to NULL */

/* The plain file of that name, if it is the next member or lies behind it with only smaller names (as strcmp has them)
 * in between. Caller frees *data. DF_ENOTFOUND: it is not there, larger than max_bytes, or its archive is damaged
 * before its end; DF_EIO: the disk failed. */
df_code df_tar_reader_find(df_tar_reader *r, const char *name, size_t max_bytes, char **data, size_t *bytes,
                           df_err *err);

/* The next member whatever it is called; borrowed until the next call. DF_ENOTFOUND: no more; DF_EFORMAT: damaged. */
df_code df_tar_reader_next(df_tar_reader *r, const char **name, df_err *err);
/* What is in the member that was found last by df_tar_reader_next. As above, but DF_EFORMAT if it is cut. */
df_code df_tar_reader_take(df_tar_reader *r, size_t max_bytes, char **data, size_t *bytes, df_err *err);

#endif

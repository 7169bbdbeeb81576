/* Where the pictures of a shard that is to be packed are: as files in OUT/.diffarm/shard-00000N, or, where the shard
 * was packed before, in its archive. Asked for in the order of their rows. */
#ifndef DF_COORDINATOR_TAR_SOURCE_H
#define DF_COORDINATOR_TAR_SOURCE_H

#include <stdint.h>

#include "coordinator/out_dir.h"

typedef struct df_tar_source df_tar_source;

/* archive: its name at the top of OUT; there need not be one, and NULL does not look. Both are borrowed. */
df_code df_tar_source_open(df_tar_source **out, df_out_dir *dir, const char *archive, df_err *err);
void df_tar_source_close(df_tar_source **s);

/* With the bytes that were committed; NULL in *png if they are nowhere. Caller frees. */
df_code df_tar_source_read(df_tar_source *s, uint64_t row, const char *sha256, char **png, size_t *bytes, df_err *err);

#endif

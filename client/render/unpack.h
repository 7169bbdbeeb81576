/* Pictures out of the shards of a tar job, as files again: for what reads pictures from files only. */
#ifndef DF_CLIENT_RENDER_UNPACK_H
#define DF_CLIENT_RENDER_UNPACK_H

#include <stdbool.h>

#include "base/err.h"

/* Writes the pictures of OUT/shard-000000.tar, ... to to_dir/shard-000000.tar/KEY.png, so that each is found at to_dir
 * by its file_name in metadata.jsonl. *any is false, and nothing is made, if OUT has no shards. Not synced. */
df_code df_unpack_shards(const char *out_dir, const char *to_dir, bool *any, df_err *err);

#endif

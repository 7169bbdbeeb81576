/* OUT held against its own lists: every line of metadata.jsonl has its picture with the SHA-256 it tells, as a file or
 * in its shard (shard_check.h), and the chain over the lines ends in job.json's metadata_root (coordinator/chain.h).
 * Reads line by line; changes nothing. */
#ifndef DF_CLIENT_PROVENANCE_OUT_CHECK_H
#define DF_CLIENT_PROVENANCE_OUT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_out_check {
    const char *dir;
    uint64_t n_rows; /* lines */
    uint64_t n_bad; /* pictures that are missing or have other bytes, and what is wrong with shards */
    bool has_root, root_matches; /* older job.json have none */
    /* Called for each thing that is not as it should be, and for each picture that is (png is free to take: then it is
     * set to NULL). Either may be NULL. */
    void (*on_bad)(void *ctx, const char *name, const char *why);
    df_code (*on_good)(void *ctx, uint64_t index, const char *file_name, char **png, size_t png_bytes, df_err *err);
    void *ctx;
} df_out_check;

/* DF_ENOTFOUND: OUT is no finished job; DF_EFORMAT: a list cannot be read. */
df_code df_out_check_run(df_out_check *c, df_err *err);

#endif

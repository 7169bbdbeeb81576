/* OUT held against its own lists: every line of metadata.jsonl has its picture with the SHA-256 it tells, and the chain
 * over the lines ends in job.json's metadata_root (coordinator/chain.h). Reads line by line; changes nothing. */
#ifndef DF_CLIENT_PROVENANCE_OUT_CHECK_H
#define DF_CLIENT_PROVENANCE_OUT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_out_check {
    const char *dir;
    uint64_t n_rows; /* lines */
    uint64_t n_bad; /* pictures that are missing or have other bytes */
    bool has_root, root_matches; /* older job.json have none */
    /* Called for each picture that is not as it should be, and for each that is. Either may be NULL. */
    void (*on_bad)(void *ctx, const char *file_name, const char *why);
    df_code (*on_good)(void *ctx, uint64_t index, const char *path, df_err *err);
    void *ctx;
} df_out_check;

/* DF_ENOTFOUND: OUT is no finished job; DF_EFORMAT: a list cannot be read. DF_EUNSUPPORTED: tar shards, unpack first.
 */
df_code df_out_check_run(df_out_check *c, df_err *err);

#endif

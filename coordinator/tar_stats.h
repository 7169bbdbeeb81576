/* shard-00000N_stats.json, the mark of a finished shard: one JSON object in one line. */
#ifndef DF_COORDINATOR_TAR_STATS_H
#define DF_COORDINATOR_TAR_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

typedef struct df_tar_stats {
    char shard[64]; /* the archive's name */
    uint64_t first_row, n_rows, n_done, n_failed;
    uint64_t bytes; /* of the archive */
    char sha256[DF_SHA256_HEX_BYTES]; /* of the archive */
    /* Of its lines of metadata.jsonl, one after the other. The archive follows from them: they name each picture's
     * hash. "" in files of former versions. */
    char metadata_sha256[DF_SHA256_HEX_BYTES];
} df_tar_stats;

/* Caller frees *text. */
df_code df_tar_stats_write(const df_tar_stats *stats, char **text, size_t *bytes, df_err *err);
/* DF_EFORMAT: something is missing, or not what it should be. */
df_code df_tar_stats_read(df_tar_stats *out, const char *text, size_t bytes, df_err *err);

#endif

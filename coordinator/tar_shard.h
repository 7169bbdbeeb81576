/* The WebDataset shards of a job with format tar.
 *
 * Shard N, OUT/shard-00000N.tar, holds rows 1000 N .. 1000 N + 999 in manifest order: KEY.png, KEY.json (the row's line
 * of metadata.jsonl) and KEY.txt (its prompt) of each; failed rows are left out. KEY is the row's number, 8 digits: a
 * row's name may hold dots, which WebDataset takes for the begin of the extension, and more bytes than ustar takes; it
 * is kept as "name" in KEY.json.
 *
 * Until all its rows are done or failed, its pictures lie as files in OUT/.diffarm/shard-00000N, written as those of
 * a png job are. Then
 *
 *   df_tar_shard_open(&s, job, number, &err);
 *   do rc = df_tar_shard_step(s, store, &end, &err); while (!rc && end == DF_TAR_SHARD_GOES_ON);
 *   df_tar_shard_close(&s);
 *
 * writes the archive beside, syncs and renames it, writes shard-00000N_stats.json in the same way (the mark that the
 * shard is whole), and only then removes the pictures. A step does some MiB, so that the loop goes on in between. What
 * an error or a crash breaks off is begun again from the pictures, to the same bytes; so is a shard that is marked but
 * has pictures still, for its marks may not be on the medium. A shard without them is left as it is, unless failed rows
 * of its job were tried again: then its lines of metadata.jsonl are held against the hash in its stats, and where they
 * differ it is packed anew, with the pictures that it has. Its mark goes before the old archive does. */
#ifndef DF_COORDINATOR_TAR_SHARD_H
#define DF_COORDINATOR_TAR_SHARD_H

#include <stddef.h>

#include "coordinator/store.h"

enum { DF_TAR_SHARD_ROWS = 1000, DF_TAR_SHARD_PATH_BYTES = 64 };

uint64_t df_tar_shard_count(uint64_t n_rows);
/* Both into out, of DF_TAR_SHARD_PATH_BYTES at least, and returned. */
char *df_tar_shard_loose(char *out, uint64_t row); /* where the picture lies before: relative to OUT */
char *df_tar_shard_member(char *out, uint64_t row); /* "shard-000012.tar/00012345.png" */

typedef struct df_tar_shard df_tar_shard;

typedef enum df_tar_shard_end {
    DF_TAR_SHARD_GOES_ON,
    DF_TAR_SHARD_WHOLE,
    DF_TAR_SHARD_WAS_WHOLE, /* found as an earlier start has finished it */
    DF_TAR_SHARD_LACKS, /* pictures are gone or damaged (df_tar_shard_lost): their rows must be rendered again */
} df_tar_shard_end;

/* All rows of the shard must be done or failed. Borrows the job. */
df_code df_tar_shard_open(df_tar_shard **out, const df_job *job, uint64_t number, df_err *err);
void df_tar_shard_close(df_tar_shard **s);
df_code df_tar_shard_step(df_tar_shard *s, df_store *store, df_tar_shard_end *end, df_err *err);
/* Says in OUT, durably, that rows of the job are tried again; before they are. */
df_code df_tar_shard_may_be_old(const df_job *job, df_err *err);
const uint64_t *df_tar_shard_lost(const df_tar_shard *s, size_t *n);

#endif

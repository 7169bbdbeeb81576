/* The tar shards of OUT held against metadata.jsonl, line by line in its order: each sample is there with its picture's
 * bytes, its line and its prompt, in its place and with nothing in between; and the shard's stats tell the truth.
 *
 *   df_shard_check_open(&c, "OUT", n_rows, said, ctx, &err);           said(ctx, name, why) for each thing that is
 * wrong df_shard_check_line(c, line, bytes, &sample, &err);  ...           of metadata.jsonl df_shard_check_end(c,
 * &err);                                       the shards behind the last line df_shard_check_close(&c);
 *
 * Reads each shard once, a sample at a time. Nothing in it is trusted. */
#ifndef DF_CLIENT_PROVENANCE_SHARD_CHECK_H
#define DF_CLIENT_PROVENANCE_SHARD_CHECK_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_shard_check df_shard_check;

typedef void (*df_shard_said_fn)(void *ctx, const char *name, const char *why);

df_code df_shard_check_open(df_shard_check **out, const char *dir, uint64_t n_rows, df_shard_said_fn said, void *ctx,
                            df_err *err);
void df_shard_check_close(df_shard_check **c); /* accepts a pointer to NULL */

/* row: the line, parsed. *png: the picture if it is the right one, to be freed, else NULL (and it was said why).
 * Errors are of this program, not of OUT. */
df_code df_shard_check_line(df_shard_check *c, const char *line, size_t line_bytes, const json_t *row, char **png,
                            size_t *png_bytes, df_err *err);
df_code df_shard_check_end(df_shard_check *c, df_err *err);

#endif

/* Copies of files that the coordinator keeps by content, fetched in pieces into a folder of limited size.
 *
 *   df_fetch_open(&f, dir, limit_bytes, &err);        NULL for dir: a private one, gone with df_fetch_close
 *   rc = df_fetch_file(f, sha256, path, &err);        the renderer's thread: DF_ETIMEOUT until it is there
 *   if (df_fetch_question(f, now_ms, sha256, &offset)) ask(...);     df_fetch_piece(f, piece);     the uplink's
 *
 * One file after another, one piece at a time. A file gets its name when its hash is right; what was used longest ago
 * goes when the folder is full, but never the few used last. Several workers may share a folder. Threads: any. */
#ifndef DF_WORKER_FETCH_H
#define DF_WORKER_FETCH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"
#include "farm.pb-c.h"

typedef struct df_fetch df_fetch;

enum { DF_FETCH_DEFAULT_MIB = 4096 };

df_code df_fetch_open(df_fetch **out, const char *dir, uint64_t limit_bytes, df_err *err);
void df_fetch_close(df_fetch **f);

/* Its path, once it is there. DF_ETIMEOUT: it will come. Any other error is told once; asked again it is tried again.
 * DF_ENOTFOUND: the coordinator has no copy. */
df_code df_fetch_file(df_fetch *f, const char *sha256, char path[PATH_MAX], df_err *err);

/* What is to be asked for now, if anything. */
bool df_fetch_question(df_fetch *f, int64_t now_ms, char sha256[DF_SHA256_HEX_BYTES], uint64_t *offset);
void df_fetch_piece(df_fetch *f, const Diffarm__FileChunk *piece);
void df_fetch_ask_again(df_fetch *f); /* the last question may be lost */

#endif

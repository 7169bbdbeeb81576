/* A SentencePiece model file (spiece.model): the pieces with their scores, and the compiled normalization rules.
 *
 *   df_spiece s = { 0 };  df_spiece_read(&s, "tokenizer_3/spiece.model", &err);  use s.piece, s.n;  df_spiece_free(&s);
 *
 * Taken are unigram models that treat white space as T5's does (one space between words, a dummy one in front); what
 * would give other tokens is DF_EUNSUPPORTED. The file is a protocol buffer, sentencepiece_model.proto. */
#ifndef DF_ENGINE_TEXT_SPIECE_H
#define DF_ENGINE_TEXT_SPIECE_H

#include <stddef.h>

#include "base/err.h"

enum { DF_PIECE_MAX_BYTES = 1024 };

typedef struct df_piece {
    const char *text; /* no 0 byte behind it */
    size_t bytes;
    float score; /* log probability; finite */
} df_piece;

typedef struct df_spiece {
    df_piece *piece; /* [n], by id */
    int n;
    const void *charsmap; /* charsmap.h; NULL: no rules */
    size_t charsmap_bytes;
    char *file; /* what the others point into */
} df_spiece;

df_code df_spiece_read(df_spiece *out, const char *path, df_err *err);
void df_spiece_free(df_spiece *s);

#endif

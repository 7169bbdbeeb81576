/* CLIP's pattern: where a word of normalised text begins and ends.
 *
 *   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * White space parts words and is dropped. */
#ifndef DF_ENGINE_TEXT_WORD_SPLIT_H
#define DF_ENGINE_TEXT_WORD_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The next word at or after *begin: sets *begin and *end (one past it); false if there is none. */
bool df_word_next(const int32_t *text, size_t n, size_t *begin, size_t *end);

#endif

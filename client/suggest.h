/* "Did you mean": the known word that a mistyped one is nearest to. */
#ifndef DF_CLIENT_SUGGEST_H
#define DF_CLIENT_SUGGEST_H

#include <stddef.h>

/* The word of words[0..n-1] with the fewest edits (insert, delete, replace, swap of neighbours) from `typed`; NULL if
 * even that one is too far to be a slip of the fingers. */
const char *df_suggest(const char *typed, const char *const *words, size_t n);

/* The same over a list in one string, separated by blanks; the answer is copied into out. Returns out or NULL. */
const char *df_suggest_list(const char *typed, const char *list, char *out, size_t out_bytes);

#endif

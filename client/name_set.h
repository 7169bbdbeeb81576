/* A set of file names, to find one that is given twice. Keeps 16 bytes a name (two independent 64-bit hashes), so that
 * a manifest of millions of named lines still fits; a false alarm is as likely as a collision of 128 bits. */
#ifndef DF_CLIENT_NAME_SET_H
#define DF_CLIENT_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_name_set {
    uint64_t (*slot)[2]; /* open addressing, { 0, 0 } is free */
    size_t n, n_slots;
} df_name_set;

/* *is_new is false if the name was there before. */
df_code df_name_set_add(df_name_set *s, const char *name, bool *is_new, df_err *err);
void df_name_set_clear(df_name_set *s);

#endif

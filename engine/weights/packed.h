/* Weights as a backend has packed them, kept in a folder: the next process that wants the same maps them in place of
 * packing anew, and processes of one node share the memory.
 *
 *   df_packed_open(&p, dir, key, &err);                  key: text, everything that the weights follow from
 *   data = df_packed_find(p, name, bytes);               NULL: pack it, then
 *   df_packed_add(p, name, packed, bytes);               packed is borrowed until it is closed
 *   df_packed_save(p, &err);                             writes what was missing; nothing if all was found
 *   df_packed_close(&p);                                 what was found is gone
 *
 * A key has one file, DIR/(SHA-256 of the key).safetensors, that appears whole or not at all. It holds the key and a
 * check sum of each entry. Nothing in it is trusted: a file that is damaged, cut, of another key or of another size of
 * entry counts as one that is not there, and is written anew. Names end in all that the layout depends on.
 * Threads: one owner; what was found may be read by all. */
#ifndef DF_ENGINE_WEIGHTS_PACKED_H
#define DF_ENGINE_WEIGHTS_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct df_packed df_packed;

df_code df_packed_open(df_packed **out, const char *dir, const char *key, df_err *err);
void df_packed_close(df_packed **p); /* accepts a pointer to NULL */

/* An entry's name begins with `prefix`. */
bool df_packed_has(const df_packed *p, const char *prefix);
/* 64-byte aligned. Its check sum has been compared. */
const void *df_packed_find(df_packed *p, const char *name, size_t bytes);
/* What is no multiple of 64 bytes is not kept. */
df_code df_packed_add(df_packed *p, const char *name, const void *data, size_t bytes, df_err *err);
df_code df_packed_save(df_packed *p, df_err *err);

#endif

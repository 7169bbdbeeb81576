/* (left id, right id) -> rank and joined id: a hash table with open addressing, filled once. */
#ifndef DF_ENGINE_TEXT_MERGE_TABLE_H
#define DF_ENGINE_TEXT_MERGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct df_merge {
    int32_t left, right, joined;
    int32_t rank; /* -1: an empty slot */
} df_merge;

typedef struct df_merge_table {
    df_merge *slots; /* [mask + 1], at most half of them taken */
    size_t mask;
} df_merge_table;

bool df_merge_table_init(df_merge_table *t, size_t n_merges); /* false when out of memory */
void df_merge_table_free(df_merge_table *t);
void df_merge_table_put(df_merge_table *t, df_merge merge); /* of two with one pair the later stays */
const df_merge *df_merge_table_find(const df_merge_table *t, int32_t left, int32_t right); /* NULL if none */

#endif

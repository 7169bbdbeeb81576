#include "engine/text/merge_table.h"

#include <stdlib.h>

#include "base/size.h"

static size_t slot_of(const df_merge_table *t, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key *= UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: the top bits are well mixed */
    size_t i = (size_t)(key >> 32) & t->mask;
    while (t->slots[i].rank >= 0 && (t->slots[i].left != left || t->slots[i].right != right)) i = (i + 1) & t->mask;
    return i;
}

bool df_merge_table_init(df_merge_table *t, size_t n_merges) {
    size_t n = 16, bytes;
    while (n / 2 <= n_merges)
        if (!df_size_mul(&n, n, 2)) return false;
    if (!df_size_mul(&bytes, n, sizeof *t->slots) || !(t->slots = malloc(bytes))) return false;
    for (size_t i = 0; i < n; i++) t->slots[i].rank = -1;
    t->mask = n - 1;
    return true;
}

void df_merge_table_free(df_merge_table *t) {
    free(t->slots);
    *t = (df_merge_table) { 0 };
}

void df_merge_table_put(df_merge_table *t, df_merge merge) {
    t->slots[slot_of(t, merge.left, merge.right)] = merge;
}

const df_merge *df_merge_table_find(const df_merge_table *t, int32_t left, int32_t right) {
    const df_merge *m = &t->slots[slot_of(t, left, right)];
    return m->rank < 0 ? NULL : m;
}

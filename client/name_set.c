#include "client/name_set.h"

#include <stdlib.h>

/* FNV-1a from the given start, then the finaliser of splitmix64 to spread it over all bits. */
static uint64_t hash(const char *name, uint64_t h) {
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

static size_t place(uint64_t (*slot)[2], size_t n_slots, const uint64_t key[2]) {
    size_t i = key[0] & (n_slots - 1);
    while ((slot[i][0] || slot[i][1]) && (slot[i][0] != key[0] || slot[i][1] != key[1])) i = (i + 1) & (n_slots - 1);
    return i;
}

static df_code grow(df_name_set *s, df_err *err) {
    size_t n_slots = s->n_slots ? s->n_slots * 2 : 1024;
    uint64_t(*slot)[2] = calloc(n_slots, sizeof *slot);
    if (!slot) return df_err_set(err, DF_ENOMEM, "a set of %zu names", s->n);
    for (size_t i = 0; i < s->n_slots; i++) {
        if (!s->slot[i][0] && !s->slot[i][1]) continue;
        size_t at = place(slot, n_slots, s->slot[i]);
        slot[at][0] = s->slot[i][0];
        slot[at][1] = s->slot[i][1];
    }
    free(s->slot);
    s->slot = slot;
    s->n_slots = n_slots;
    return DF_OK;
}

df_code df_name_set_add(df_name_set *s, const char *name, bool *is_new, df_err *err) {
    df_code rc;
    if (s->n * 2 >= s->n_slots && (rc = grow(s, err))) return rc;
    const uint64_t key[2] = { hash(name, 0xcbf29ce484222325u) | 1, hash(name, 0x9e3779b97f4a7c15u) };
    size_t at = place(s->slot, s->n_slots, key);
    *is_new = !s->slot[at][0];
    if (!*is_new) return DF_OK;
    s->slot[at][0] = key[0];
    s->slot[at][1] = key[1];
    s->n++;
    return DF_OK;
}

void df_name_set_clear(df_name_set *s) {
    free(s->slot);
    *s = (df_name_set) { 0 };
}

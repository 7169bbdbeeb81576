#include "coordinator/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct df_map_node {
    struct df_map_node *next;
    void *value;
    uint64_t hash;
    size_t bytes;
    unsigned char key[];
} node;

static uint64_t hash_of(const void *key, size_t bytes) { /* FNV-1a */
    const unsigned char *p = key;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The link that points to the node, or the NULL link where it would go. */
static node **find(const df_map *map, uint64_t hash, const void *key, size_t bytes) {
    node **link = &map->buckets[hash & (map->n_buckets - 1)];
    while (*link && !((*link)->hash == hash && (*link)->bytes == bytes && !memcmp((*link)->key, key, bytes)))
        link = &(*link)->next;
    return link;
}

void *df_map_get(const df_map *map, const void *key, size_t bytes) {
    if (!map->n_buckets) return NULL;
    node *found = *find(map, hash_of(key, bytes), key, bytes);
    return found ? found->value : NULL;
}

static bool grow(df_map *map) {
    size_t n_buckets = map->n_buckets ? 2 * map->n_buckets : 64;
    node **buckets = calloc(n_buckets, sizeof *buckets);
    if (!buckets) return false;
    for (size_t i = 0; i < map->n_buckets; i++)
        for (node *at = map->buckets[i], *next; at; at = next) {
            node **to = &buckets[at->hash & (n_buckets - 1)];
            next = at->next;
            at->next = *to;
            *to = at;
        }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n_buckets;
    return true;
}

bool df_map_put(df_map *map, const void *key, size_t bytes, void *value) {
    if (map->n >= map->n_buckets && !grow(map)) return false;
    uint64_t hash = hash_of(key, bytes);
    node **link = find(map, hash, key, bytes);
    if (*link) {
        (*link)->value = value;
        return true;
    }
    node *fresh = malloc(sizeof *fresh + bytes);
    if (!fresh) return false;
    *fresh = (node) { .value = value, .hash = hash, .bytes = bytes };
    memcpy(fresh->key, key, bytes);
    *link = fresh;
    map->n++;
    return true;
}

void df_map_remove(df_map *map, const void *key, size_t bytes) {
    if (!map->n_buckets) return;
    node **link = find(map, hash_of(key, bytes), key, bytes), *gone = *link;
    if (!gone) return;
    *link = gone->next;
    free(gone);
    map->n--;
}

void df_map_free(df_map *map) {
    for (size_t i = 0; i < map->n_buckets; i++)
        for (node *at = map->buckets[i], *next; at; at = next) {
            next = at->next;
            free(at);
        }
    free(map->buckets);
    *map = (df_map) { 0 };
}

/* Byte string -> pointer. Keys are copied, values are borrowed. A zeroed map is empty.
 *
 *   df_map m = { 0 };   df_map_put(&m, "a", 1, thing);   df_map_get(&m, "a", 1);   df_map_free(&m); */
#ifndef DF_COORDINATOR_MAP_H
#define DF_COORDINATOR_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct df_map {
    struct df_map_node **buckets;
    size_t n, n_buckets; /* a power of two, or 0 */
} df_map;

void *df_map_get(const df_map *map, const void *key, size_t bytes); /* NULL if absent */
bool df_map_put(df_map *map, const void *key, size_t bytes, void *value); /* replaces; false when out of memory */
void df_map_remove(df_map *map, const void *key, size_t bytes); /* absent is fine */
void df_map_free(df_map *map);

#endif

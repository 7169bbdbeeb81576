/* Arena: many small objects with one life time (graphs, configs, parsed manifests).
 *
 *   df_arena *a = df_arena_new();          p = df_arena_alloc(a, n);          df_arena_free(&a);
 *
 * Memory is zeroed, 16-byte aligned and never moves. Not for tensors: those lie in the regions of a memory plan.
 * Threads: one owner. */
#ifndef DF_BASE_ARENA_H
#define DF_BASE_ARENA_H

#include <stddef.h>

typedef struct df_arena df_arena;

df_arena *df_arena_new(void); /* NULL when out of memory */
void df_arena_free(df_arena **arena); /* accepts NULL and a pointer to NULL */
void *df_arena_alloc(df_arena *arena, size_t bytes); /* NULL when out of memory */
char *df_arena_strdup(df_arena *arena, const char *text);
char *df_arena_printf(df_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

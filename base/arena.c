#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { BLOCK_BYTES = 64 << 10, ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t used, size;
    alignas(ALIGN) unsigned char data[];
} block;

struct df_arena {
    block *head; /* the block being filled; older ones follow */
};

df_arena *df_arena_new(void) {
    return calloc(1, sizeof(df_arena));
}

void df_arena_free(df_arena **arena) {
    if (!arena || !*arena) return;
    for (block *b = (*arena)->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(*arena);
    *arena = NULL;
}

static block *grow(df_arena *arena, size_t bytes) {
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES, total;
    if (!df_size_add(&total, size, sizeof(block))) return NULL;
    block *b = calloc(1, total);
    if (!b) return NULL;
    b->size = size;
    b->next = arena->head;
    return arena->head = b;
}

void *df_arena_alloc(df_arena *arena, size_t bytes) {
    size_t n;
    if (!df_size_align(&n, bytes, ALIGN)) return NULL;
    block *b = arena->head;
    if ((!b || b->size - b->used < n) && !(b = grow(arena, n))) return NULL;
    void *p = b->data + b->used;
    b->used += n;
    return p;
}

char *df_arena_strdup(df_arena *arena, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = df_arena_alloc(arena, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *df_arena_printf(df_arena *arena, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : df_arena_alloc(arena, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

#include "tests/engine/backend/cuda/double/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/machine.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(data, bytes) ((void)(data), (void)(bytes))
#define __asan_unpoison_memory_region(data, bytes) ((void)(data), (void)(bytes))
#endif

enum { ALIGNMENT = 256, PAGE = 4096, NOT_WRITTEN = 0xff }; /* a NaN in every type */

typedef struct block {
    char *data;
    size_t bytes;
    int device; /* or PINNED */
    bool freed; /* its address is not used again before the reset */
    history seen;
} block;

typedef struct opened {
    struct opened *next;
    const void *data;
    size_t bytes;
} opened;

static block **blocks; /* by address */
static int n_blocks, room;
static size_t used[DEVICES]; /* bytes, not freed */
static opened *open_now;

/* How many begin at p or before. */
static int rank_of(const char *p) {
    int low = 0, high = n_blocks;
    while (low < high) {
        int middle = (low + high) / 2;
        if (blocks[middle]->data <= p)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static block *block_of(const void *p) {
    const char *at = p;
    int n = rank_of(at);
    return n && at < blocks[n - 1]->data + blocks[n - 1]->bytes ? blocks[n - 1] : NULL;
}

static void insert(block *b) {
    int at = rank_of(b->data);
    if (n_blocks == room) {
        room = room ? 2 * room : 64;
        blocks = realloc(blocks, (size_t)room * sizeof *blocks);
        if (!blocks) abort();
    }
    memmove(blocks + at + 1, blocks + at, (size_t)(n_blocks - at) * sizeof *blocks);
    blocks[at] = b;
    n_blocks++;
}

size_t memory_used(int device) {
    return used[device];
}

cudaError_t memory_take(void **out, size_t bytes, int device) {
    block *b = NULL;
    void *data = NULL;
    if (machine_refuses(device, bytes)) return cudaErrorMemoryAllocation;
    if (!(b = calloc(1, sizeof *b)) || posix_memalign(&data, ALIGNMENT, bytes ? bytes : 1)) {
        free(b);
        return cudaErrorMemoryAllocation;
    }
    memset(data, NOT_WRITTEN, bytes);
    *b = (block) { .data = data, .bytes = bytes, .device = device };
    insert(b);
    if (device != PINNED) used[device] += bytes;
    if (device != PINNED) __asan_poison_memory_region(data, bytes);
    *out = data;
    return cudaSuccess;
}

/* Its address stays taken, so that whoever still has it is found out; its pages go back. */
static void give_pages_back(const block *b) {
    uintptr_t from = ((uintptr_t)b->data + PAGE - 1) / PAGE * PAGE, to = ((uintptr_t)b->data + b->bytes) / PAGE * PAGE;
    if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
    __asan_poison_memory_region(b->data, b->bytes);
}

cudaError_t memory_drop(void *p, bool pinned) {
    int n = rank_of(p);
    block *b = n ? blocks[n - 1] : NULL;
    if (!b || b->data != p || b->freed || (b->device == PINNED) != pinned) {
        gpu_double_report(b && b->freed ? "memory is freed twice" : "memory is freed that was not allocated so");
        return cudaErrorInvalidValue;
    }
    if (!history_is_before(&b->seen, &this_thread()->now)) gpu_double_report("memory is freed in flight");
    b->freed = true;
    if (!pinned) used[b->device] -= b->bytes;
    history_free(&b->seen);
    give_pages_back(b);
    return cudaSuccess;
}

bool memory_is_pinned(const void *p) {
    const block *b = block_of(p);
    return b && b->device == PINNED;
}

static void open_for(const block *b, const void *data, size_t bytes) {
    if (b->device == PINNED) return;
    opened *o = malloc(sizeof *o);
    if (!o) abort();
    *o = (opened) { open_now, data, bytes };
    open_now = o;
    __asan_unpoison_memory_region(data, bytes);
}

void memory_close(void) {
    for (opened *o; (o = open_now);) {
        open_now = o->next;
        __asan_poison_memory_region(o->data, o->bytes);
        free(o);
    }
}

bool memory_touch(const toucher *by, int device, const void *data, size_t bytes, bool writes, bool strict) {
    block *b = block_of(data);
    const char *does = writes ? "writes" : "reads";
    if (!bytes) return true;
    if (!b) {
        if (strict) gpu_double_report("%s %s %zu bytes that no device has allocated", by->who, does, bytes);
        return !strict;
    }
    if (b->freed || (const char *)data + bytes > b->data + b->bytes) {
        gpu_double_report("%s %s %zu bytes %s", by->who, does, bytes,
                          b->freed ? "of memory that was freed" : "beyond the end of what was allocated");
        return false;
    }
    if (b->device != device && b->device != PINNED)
        gpu_double_report("%s of GPU %d %s memory of GPU %d", by->who, device, does, b->device);
    if (strict && b->device == PINNED) gpu_double_report("%s %s memory of the host", by->who, does);
    if (!writes && b->device != PINNED && !history_is_written(&b->seen, data, bytes))
        gpu_double_report("%s reads %zu bytes, some of which were never written", by->who, bytes);
    history_touch(&b->seen, by, data, bytes, writes);
    open_for(b, data, bytes);
    return true;
}

void memory_report_left(void) {
    for (int i = 0; i < n_blocks; i++)
        if (!blocks[i]->freed)
            gpu_double_report("%zu bytes of %s memory are left that were not freed", blocks[i]->bytes,
                              blocks[i]->device == PINNED ? "pinned" : "a device's");
}

void memory_free_all(void) {
    memory_close();
    for (int i = 0; i < n_blocks; i++) {
        block *b = blocks[i];
        history_free(&b->seen);
        __asan_unpoison_memory_region(b->data, b->bytes);
        free(b->data);
        free(b);
    }
    free(blocks);
    blocks = NULL;
    n_blocks = room = 0;
    memset(used, 0, sizeof used);
}

/* A private folder for a test, and files in it. */
#ifndef DF_TESTS_CLIENT_SCRATCH_H
#define DF_TESTS_CLIENT_SCRATCH_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static char scratch_dir[64];

static inline int scratch_make(void **state) {
    (void)state;
    snprintf(scratch_dir, sizeof scratch_dir, "/tmp/diffarm-test-XXXXXX");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

static inline int scratch_remove(void **state) {
    (void)state;
    return df_file_remove_tree(scratch_dir, NULL) ? -1 : 0;
}

/* Path of `name` in the folder, in one of a few static buffers. */
static inline const char *scratch_path(const char *name) {
    static char paths[8][PATH_MAX];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", scratch_dir, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *data, size_t bytes) {
    const char *path = scratch_path(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f)) abort();
    return path;
}

#endif

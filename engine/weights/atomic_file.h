/* A file written piece by piece that appears whole or not at all: what df_file_write does, for data that should not be
 * gathered in memory first.
 *
 *   df_atomic_file f;
 *   rc = df_atomic_file_open(&f, path, &err);           begins PATH.tmp-PID-N
 *   df_atomic_file_add(&f, data, n);  ...               a failure is kept, the rest is dropped
 *   rc = df_atomic_file_close(&f, true, &err);          sync, rename, sync the folder; false: drop what was written
 *
 * After a successful open, close must be called once. Threads: one owner. */
#ifndef DF_ENGINE_WEIGHTS_ATOMIC_FILE_H
#define DF_ENGINE_WEIGHTS_ATOMIC_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

typedef struct df_atomic_file {
    char path[PATH_MAX], beside[PATH_MAX];
    FILE *to;
    int why; /* errno of the first failure */
} df_atomic_file;

df_code df_atomic_file_open(df_atomic_file *f, const char *path, df_err *err);
void df_atomic_file_add(df_atomic_file *f, const void *data, size_t bytes);
df_code df_atomic_file_close(df_atomic_file *f, int keep, df_err *err);

#endif

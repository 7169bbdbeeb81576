/* Libraries of ours that need what not every machine has, loaded when they are asked for.
 *
 * One is looked for where the loader looks (so a folder in LD_LIBRARY_PATH goes first) and beside the program, in
 * ../lib, where a build and an installation have it. Threads: any. */
#ifndef DF_BASE_LIBRARY_H
#define DF_BASE_LIBRARY_H

#include <stdbool.h>

#include "base/err.h"

/* *found: what the library `file` exports as `symbol`. It is never unloaded. DF_ENOTFOUND with the loader's words:
 * *missing (may be NULL) tells the library itself (true) from one that it needs. */
df_code df_library_load(const void **found, const char *file, const char *symbol, bool *missing, df_err *err);

#endif

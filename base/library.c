#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* False: the program's place is not known. */
static bool beside_program(char *path, size_t bytes, const char *file) {
    char program[2048];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) return false;
    *slash = '\0';
    n = snprintf(path, bytes, "%s/../lib/%s", program, file);
    return n > 0 && (size_t)n < bytes;
}

/* The loader begins its text with the file that it did not find. */
static bool is_about(const char *text, const char *file) {
    size_t n = strcspn(text, ":"), length = strlen(file);
    return n >= length && !strncmp(text + n - length, file, length);
}

df_code df_library_load(const void **found, const char *file, const char *symbol, bool *missing, df_err *err) {
    char path[2304];
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const char *why = library ? NULL : dlerror();
    if (why && is_about(why, file) && beside_program(path, sizeof path, file)) {
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        why = library ? NULL : dlerror();
    }
    if (library && !(*found = dlsym(library, symbol))) why = dlerror();
    if (library && *found) return DF_OK;
    if (missing) *missing = !why || is_about(why, file);
    df_code rc = df_err_set(err, DF_ENOTFOUND, "%s", why ? why : file);
    if (library) dlclose(library);
    return rc;
}

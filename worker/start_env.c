#include "worker/start_env.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/child.h"

const char *const *df_start_env(void) {
    static const char *env[4];
    int n = 0;
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT")) {
        env[n++] = "OMP_WAIT_POLICY=passive";
        env[n++] = "GOMP_SPINCOUNT=0";
    }
    if (!getenv("GLIBC_TUNABLES")) env[n++] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
    env[n] = NULL;
    return n ? env : NULL;
}

void df_start_again(char **argv) {
    char self[PATH_MAX];
    const char *const *env = df_start_env();
    if (!env || df_child_self(self, sizeof self, NULL)) return;
    for (; *env; env++) putenv((char *)(uintptr_t)*env);
    execv(self, argv);
}

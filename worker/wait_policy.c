#include "worker/wait_policy.h"

#include <stdlib.h>

const char *const *df_wait_policy_env(void) {
    static const char *const passive[] = { "OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=0", NULL };
    return getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") ? NULL : passive;
}

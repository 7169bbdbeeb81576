#include "engine/backend/int8.h"
#include "engine/backend/reference/real.h"

void REF(to_int8)(void *q, const void *x, int64_t n, df_int8 how) {
    for (int64_t i = 0; i < n; i++) ((real *)q)[i] = (real)(df_int8_code((float)((const real *)x)[i], how) - how.zero);
}

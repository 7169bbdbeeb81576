/* The op suite on the cuda backend itself. The limits are those of the doubles' test, but that sums of a device go in
 * an order of its own libraries: a few roundings of f32 more. */
#include "tests/engine/backend/op_suite.h"

#include <stdio.h>

enum { N_SUBJECTS = 3 };

int main(void) {
    const df_backend *cuda = NULL;
    df_err err = { 0 };
    if (df_backend_load(&cuda, "cuda", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const op_subject subjects[N_SUBJECTS] = {
        { .label = "cuda",
          .backend = cuda,
          .dtype = DF_F32,
          .limit = { 3e-6, 3e-5 },
          .no_int8 = true,
          .no_threads = true },
        { .label = "cuda bf16",
          .backend = cuda,
          .dtype = DF_BF16,
          .limit = { 0x1p-8 * 0.8, 0x1p-8 * 2.7 },
          .no_int8 = true,
          .no_threads = true },
        { .label = "cuda f16",
          .backend = cuda,
          .dtype = DF_F16,
          .limit = { 0x1p-11 * 0.8, 0x1p-11 * 2.7 },
          .no_int8 = true,
          .no_threads = true },
    };
    return op_suite_run("ops of a GPU", subjects, N_SUBJECTS, NULL, 0);
}

/* The module of the cuda backend on doubles: linked into a test in place of what loads it (df_cuda_module_load), or
 * loaded by a program in place of the real one (libdiffarm_cuda.so, found through LD_LIBRARY_PATH). DF_GPU_DOUBLE_SEED
 * is the order in which streams run; a fault, or what is left when the program ends, ends it with a message and 1. */
#include "engine/backend/cuda/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"
#include "tests/engine/backend/cuda/double/launch.h"

extern const df_cuda_module df_cuda_module_exported;

df_code df_cuda_module_load(const df_cuda_module **out, df_err *err) {
    (void)err;
    *out = &df_cuda_module_exported;
    return DF_OK;
}

__attribute__((constructor)) static void begin(void) {
    const char *seed = getenv("DF_GPU_DOUBLE_SEED");
    gpu_double_reset(seed ? (unsigned)atoi(seed) : 1);
    launch_attention_plainly(true);
}

__attribute__((destructor)) static void end(void) {
    if (!*gpu_double_end()) return;
    fprintf(stderr, "the doubles of CUDA: %s\n", gpu_double_fault());
    _exit(EXIT_FAILURE);
}

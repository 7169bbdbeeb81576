#include "tests/engine/backend/cuda/latents_on_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backend/cuda/context.h"
#include "engine/backend/cuda/vectors.h"

df_vectors latents_gpu;
static df_cuda_ctx *context;

int latents_open(void **state) {
    (void)state;
    df_err err;
    gpu_double_reset(1);
    if (df_cuda_ctx_open(&context, &(df_backend_cfg) { .dtype = DF_F32 }, &err)) fail_msg("%s", err.text);
    if (df_cuda_vectors_open(&latents_gpu, context, &err)) fail_msg("%s", err.text);
    return 0;
}

int latents_close(void **state) {
    (void)state;
    df_cuda_vectors_close(&latents_gpu);
    df_cuda_ctx_close(&context);
    assert_string_equal(gpu_double_end(), "");
    return 0;
}

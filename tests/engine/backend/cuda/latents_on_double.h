/* A GPU's double with vectors in its memory, for tests of what is made of those. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_LATENTS_ON_DOUBLE_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_LATENTS_ON_DOUBLE_H

#include "engine/samplers/vectors.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

extern df_vectors latents_gpu; /* between the two below */

/* Of cmocka: setup, and a teardown that fails on what the double found. */
int latents_open(void **state);
int latents_close(void **state);

#endif

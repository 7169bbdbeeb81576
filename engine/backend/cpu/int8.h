/* What a product in 8 bits needs beside one in bf16 or f32: its weights as codes, the scales of its sums, and its input
 * as codes. The integer product itself is oneDNN's (primitive.h).
 *
 * Sums of integers are exact, whatever their order, so that the promise of backend.h rests here on the few roundings
 * behind the sum alone. */
#ifndef DF_ENGINE_BACKEND_CPU_INT8_H
#define DF_ENGINE_BACKEND_CPU_INT8_H

#include "engine/backend/cpu/kernel.h"

/* codes [oc][n] of weights w [oc][n], and scales [oc] of the sums, with zeros behind up to df_cpu_int8_scale_bytes.
 * Both are the caller's, to be freed. */
df_code df_cpu_int8_weights(const df_kernel *k, const float *w, int64_t oc, int64_t n, int8_t **codes, float **scales,
                            df_err *err);
size_t df_cpu_int8_scale_bytes(int64_t oc); /* a multiple of 64 */
/* The library scales sum and bias [oc] together: bias, which may be NULL, is divided by the scales. */
void df_cpu_int8_bias(float *bias, const float *scales, int64_t oc);

/* q = the codes of the node's input x, of n_rows. */
void df_cpu_int8_input(const df_kernel *k, const void *x, int64_t n_rows, uint8_t *q);
size_t df_cpu_int8_input_bytes(const df_kernel *k, int64_t n_rows); /* a multiple of 64; 0: not in 8 bits */

#endif

/* Numbers as 8-bit integers, for products in int8: one meaning for all backends.
 *
 * Inputs have one step for the whole tensor, known beforehand (df_int8 of the node), weights one for each output
 * channel, from the channel's largest. Rounding is to nearest, ties to even, in f32, so that every backend takes the
 * same integers; their products and sums are exact. What is not a number becomes 0. */
#ifndef DF_ENGINE_BACKEND_INT8_H
#define DF_ENGINE_BACKEND_INT8_H

#include <math.h>

#include "engine/graph/graph.h"

static inline bool df_node_is_int8(const df_node *n) {
    return n->int8.scale > 0;
}

/* 0..255 */
static inline int32_t df_int8_code(float x, df_int8 how) {
    float code = rintf(x * (1 / how.scale)) + (float)how.zero;
    return code > 0 ? code < 255 ? (int32_t)code : 255 : 0;
}

/* codes [channels][n], -127..127, and scale [channels], so that w = code * scale about; a channel of zeros has scale 1.
 * w [channels][n]. */
void df_int8_weights(int8_t *codes, float *scale, const float *w, int64_t channels, int64_t n);

#endif

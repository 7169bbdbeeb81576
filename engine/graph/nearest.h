/* Where upsample_nearest takes a position from; every backend's one definition. */
#ifndef DF_ENGINE_GRAPH_NEAREST_H
#define DF_ENGINE_GRAPH_NEAREST_H

#include <math.h>
#include <stdint.h>

/* The source of position i of `out`, among `in`. The ratio is an f32, as PyTorch has it: for some sizes another index
 * than exact arithmetic would give. */
static inline int64_t df_nearest_source(int64_t i, int64_t in, int64_t out) {
    int64_t at = (int64_t)floorf((float)i * ((float)in / (float)out));
    return at < in - 1 ? at : in - 1;
}

#endif

/* How a layer's inputs are spread, gathered while the model runs, and which 8-bit codes serve them best.
 *
 * Bins of equal width over -limit..limit, a power of two that doubles, two bins becoming one, when a larger number
 * comes: what is kept never depends on where the limit began. Numbers that are not finite count as nothing. */
#ifndef DF_CLIENT_CALIBRATE_HISTOGRAM_H
#define DF_CLIENT_CALIBRATE_HISTOGRAM_H

#include "engine/graph/graph.h"

enum { DF_HISTOGRAM_BINS = 4096 };

typedef struct df_histogram {
    double limit; /* 0: empty */
    float low, high; /* the least and the largest number so far, 0 included */
    double squares; /* their sum */
    uint64_t n;
    uint64_t bins[DF_HISTOGRAM_BINS];
} df_histogram;

void df_histogram_add(df_histogram *h, df_dtype dtype, const void *x, int64_t n); /* F32 or BF16 */

/* The codes of least squared error: the range, which always holds 0, is drawn in from both ends, first together, then
 * each for itself, as long as what is clipped costs less than what finer steps gain. *noise: that error over the sum of
 * squares. scale 0: nothing but zeros was seen. */
df_int8 df_histogram_codes(const df_histogram *h, double *noise);

#endif

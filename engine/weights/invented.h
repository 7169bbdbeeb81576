/* Weights that are nobody's: random numbers, for timing a model without its files.
 *
 * A matrix has a deviation of 1 / sqrt(fan in), so that activations stay near 1 and what is timed is what trained
 * weights would need; a norm's factors are near 1, biases near 0. The same name and shape give the same numbers.
 * Threads: pure function. */
#ifndef DF_ENGINE_WEIGHTS_INVENTED_H
#define DF_ENGINE_WEIGHTS_INVENTED_H

#include <stdint.h>

/* dst: of shape dim [rank], f32. */
void df_weights_invent(const char *name, const int64_t *dim, int rank, float *dst);

#endif

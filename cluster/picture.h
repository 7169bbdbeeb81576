/* What the decoder gives, as an 8-bit picture. */
#ifndef DF_CLUSTER_PICTURE_H
#define DF_CLUSTER_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/dtype.h"

/* rgb = 255 * clamp(x / 2 + 0.5, 0, 1), rounded half to even, in f32 as torch does it. x [n] of a floating type, n = H
 * * W * 3. False if a number is not finite. */
bool df_picture_quantize(const void *x, df_dtype dtype, size_t n, uint8_t *rgb);

/* No channel has two values more than 2 levels apart: nothing was drawn. */
bool df_picture_is_flat(const uint8_t *rgb, size_t n_pixels);

#endif

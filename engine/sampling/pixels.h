/* 8-bit pictures and masks as the numbers that models take. Reference: diffusers' VaeImageProcessor and the inpainting
 * pipelines' prepare_mask_latents. */
#ifndef DF_ENGINE_SAMPLING_PIXELS_H
#define DF_ENGINE_SAMPLING_PIXELS_H

#include "engine/image/image.h"

/* out [3][H][W] in -1..1. mask: where it is at least half white the picture is hidden by mid-grey; NULL: nowhere. */
void df_pixels_to_planes(const df_image *image, const df_image *mask, float *out);
/* out [H / factor][W / factor], 0 or 1: the pixel at the corner of each square, as torch's nearest takes it. */
void df_pixels_to_mask(const df_image *mask, int factor, float *out);

#endif

/* Pictures brought to another size: scaled until they cover it, then cropped at the centre.
 *
 * RGB is scaled with a Lanczos filter of three lobes, a mask (1 channel) takes the nearest pixel. The arithmetic is
 * Pillow's for 8-bit pictures (src/libImaging/Resample.c: weights in fixed point, horizontal pass, then vertical), so
 * that results equal Image.resize(size, LANCZOS) or NEAREST. Only what is kept is computed: memory follows the sizes of
 * the pictures, however far a narrow one must be scaled. A picture of the right size is copied as it is. */
#ifndef DF_ENGINE_IMAGE_RESIZE_H
#define DF_ENGINE_IMAGE_RESIZE_H

#include "base/err.h"
#include "engine/image/image.h"

/* Caller frees out with df_image_clear. */
df_code df_image_cover(df_image *out, const df_image *in, int width, int height, df_err *err);

/* RGB to one channel of luminance (ITU-R 601-2, as Pillow's "L"); caller frees out. */
df_code df_image_luminance(df_image *out, const df_image *rgb, df_err *err);

void df_image_clear(df_image *image); /* frees the pixels; accepts a cleared one */

#endif

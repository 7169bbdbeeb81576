#include "engine/sampling/pixels.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_white(const df_image *mask, size_t i) {
    return (float)mask->pixels[i] / 255.0f >= 0.5f;
}

void df_pixels_to_planes(const df_image *image, const df_image *mask, float *out) {
    size_t plane = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            out[c * plane + i] =
                mask && is_white(mask, i) ? 0.0f : 2.0f * ((float)image->pixels[3 * i + c] / 255.0f) - 1.0f;
}

void df_pixels_to_mask(const df_image *mask, int factor, float *out) {
    int h = mask->height / factor, w = mask->width / factor;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            *out++ = is_white(mask, (size_t)(y * factor) * (size_t)mask->width + (size_t)(x * factor)) ? 1.0f : 0.0f;
}

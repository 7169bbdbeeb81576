/* A picture in memory, 8 bits a channel, rows from the top. */
#ifndef DF_ENGINE_IMAGE_IMAGE_H
#define DF_ENGINE_IMAGE_IMAGE_H

#include <stdint.h>

typedef struct df_image {
    int width, height;
    int channels; /* 3: RGB; 1: a mask */
    uint8_t *pixels; /* [height][width][channels] */
} df_image;

#endif

#include <math.h>

#include "engine/models/dit.h"

/* [width] for one coordinate: sines of all frequencies, then cosines. */
static void one_axis(float *out, double at, int64_t width) {
    int64_t half = width / 2;
    for (int64_t i = 0; i < half; i++) {
        double angle = at * pow(10000, -(double)i / (double)half);
        out[i] = (float)sin(angle);
        out[half + i] = (float)cos(angle);
    }
}

/* The library takes the coordinate as an f32. */
static double coordinate(int64_t i, int64_t n, int64_t base) {
    return (double)((float)i / (float)((double)n / (double)base));
}

void df_dit_positions(float *out, int64_t h, int64_t w, int64_t width, int64_t base) {
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++, out += width) {
            one_axis(out, coordinate(x, w, base), width / 2); /* columns first */
            one_axis(out + width / 2, coordinate(y, h, base), width / 2);
        }
}

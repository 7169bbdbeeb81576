#include "engine/image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { LOBES = 3, WEIGHT_BITS = 32 - 8 - 2 }; /* 8 bits of pixel, 2 for what overshoots */

/* Which input pixels make each output pixel, and their weights in fixed point. */
typedef struct filter {
    int taps; /* at most, of one output pixel */
    int *first, *n; /* [size] */
    int32_t *weight; /* [size][taps] */
} filter;

static double sinc(double x) {
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static double lanczos(double x) {
    return x >= -LOBES && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

static void filter_free(filter *f) {
    free(f->first);
    free(f->n);
    free(f->weight);
    *f = (filter) { 0 };
}

static bool filter_alloc(filter *f, int size, double support) {
    f->taps = (int)ceil(support) * 2 + 1;
    f->first = calloc((size_t)size, sizeof *f->first);
    f->n = calloc((size_t)size, sizeof *f->n);
    f->weight = calloc((size_t)size * (size_t)f->taps, sizeof *f->weight);
    return f->first && f->n && f->weight;
}

/* row: room for f->taps weights. */
static void fill_taps(filter *f, int i, int from, double scale, double *row) {
    double wide = fmax(scale, 1), support = LOBES * wide, centre = (i + 0.5) * scale, sum = 0;
    int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (end > from) end = from;
    for (int k = 0; k < end - first; k++) sum += row[k] = lanczos((k + first - centre + 0.5) / wide);
    for (int k = 0; k < end - first; k++) {
        double w = (sum != 0 ? row[k] / sum : row[k]) * (1 << WEIGHT_BITS);
        f->weight[(size_t)i * (size_t)f->taps + (size_t)k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    f->first[i] = first;
    f->n[i] = end - first;
}

static df_code filter_make(filter *f, int from, int to, df_err *err) {
    double scale = (double)from / to;
    double *row = NULL;
    if (!filter_alloc(f, to, LOBES * fmax(scale, 1)) || !(row = calloc((size_t)f->taps, sizeof *row)))
        return df_err_set(err, DF_ENOMEM, "scaling of %d to %d pixels", from, to);
    for (int i = 0; i < to; i++) fill_taps(f, i, from, scale, row);
    free(row);
    return DF_OK;
}

static uint8_t weighted(const uint8_t *at, size_t stride, const int32_t *weight, int n) {
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int k = 0; k < n; k++) sum += at[(size_t)k * stride] * weight[k];
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static df_code alloc(df_image *out, int width, int height, int channels, df_err *err) {
    size_t bytes;
    int64_t dims[] = { height, width, channels };
    *out = (df_image) { .width = width, .height = height, .channels = channels };
    if (df_size_of_dims(&bytes, dims, 3, 1) && (out->pixels = malloc(bytes))) return DF_OK;
    return df_err_set(err, DF_ENOMEM, "a picture of %dx%d", width, height);
}

static void pass_across(df_image *out, const df_image *in, const filter *f) {
    size_t C = (size_t)in->channels, row = (size_t)in->width * C;
    uint8_t *to = out->pixels;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < out->width; x++)
            for (size_t c = 0; c < C; c++)
                *to++ = weighted(in->pixels + (size_t)y * row + (size_t)f->first[x] * C + c, C,
                                 f->weight + (size_t)x * (size_t)f->taps, f->n[x]);
}

static void pass_down(df_image *out, const df_image *in, const filter *f) {
    size_t row = (size_t)in->width * (size_t)in->channels;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++)
        for (size_t i = 0; i < row; i++)
            *to++ = weighted(in->pixels + (size_t)f->first[y] * row + i, row, f->weight + (size_t)y * (size_t)f->taps,
                             f->n[y]);
}

/* Takes `in`: what was scaled is freed, what was not goes on. */
static df_code scale_one(df_image *image, bool across, int to, df_err *err) {
    int from = across ? image->width : image->height;
    filter f = { 0 };
    df_image out = { 0 };
    if (from == to) return DF_OK;
    df_code rc = filter_make(&f, from, to, err);
    if (!rc) rc = alloc(&out, across ? to : image->width, across ? image->height : to, image->channels, err);
    if (!rc) {
        (across ? pass_across : pass_down)(&out, image, &f);
        df_image_clear(image);
        *image = out;
    }
    filter_free(&f);
    return rc;
}

static df_code copy_of(df_image *out, const df_image *in, df_err *err) {
    df_code rc = alloc(out, in->width, in->height, in->channels, err);
    if (!rc) memcpy(out->pixels, in->pixels, (size_t)in->width * (size_t)in->height * (size_t)in->channels);
    return rc;
}

static df_code scale_nearest(df_image *image, int width, int height, df_err *err) {
    df_image out;
    df_code rc = alloc(&out, width, height, image->channels, err);
    if (rc) return rc;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            size_t from_x = (size_t)((x + 0.5) * image->width / width);
            size_t from_y = (size_t)((y + 0.5) * image->height / height);
            out.pixels[(size_t)y * (size_t)width + (size_t)x] = image->pixels[from_y * (size_t)image->width + from_x];
        }
    df_image_clear(image);
    *image = out;
    return DF_OK;
}

/* In place: rows move towards the start. */
static void crop_centre(df_image *image, int width, int height) {
    size_t C = (size_t)image->channels, row = (size_t)image->width * C;
    size_t left = (size_t)(image->width - width) / 2, top = (size_t)(image->height - height) / 2;
    for (int y = 0; y < height; y++)
        memmove(image->pixels + (size_t)y * (size_t)width * C, image->pixels + (top + (size_t)y) * row + left * C,
                (size_t)width * C);
    image->width = width;
    image->height = height;
}

df_code df_image_cover(df_image *out, const df_image *in, int width, int height, df_err *err) {
    double scale = fmax((double)width / in->width, (double)height / in->height);
    int w = (int)fmax(rint(in->width * scale), width), h = (int)fmax(rint(in->height * scale), height);
    df_image image;
    df_code rc = copy_of(&image, in, err);
    if (rc) return rc;
    if (in->channels == 1) {
        rc = scale_nearest(&image, w, h, err);
    } else {
        rc = scale_one(&image, true, w, err);
        if (!rc) rc = scale_one(&image, false, h, err);
    }
    if (rc) {
        df_image_clear(&image);
        return rc;
    }
    crop_centre(&image, width, height);
    *out = image;
    return DF_OK;
}

df_code df_image_luminance(df_image *out, const df_image *rgb, df_err *err) {
    df_code rc = alloc(out, rgb->width, rgb->height, 1, err);
    size_t n = rc ? 0 : (size_t)rgb->width * (size_t)rgb->height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = rgb->pixels + 3 * i;
        out->pixels[i] = (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    }
    return rc;
}

void df_image_clear(df_image *image) {
    free(image->pixels);
    *image = (df_image) { 0 };
}

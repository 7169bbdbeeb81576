#include "engine/image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { LOBES = 3, WEIGHT_BITS = 32 - 8 - 2 }; /* 8 bits of pixel, 2 for what overshoots */

/* Which input pixels make each output pixel of a stretch, and their weights in fixed point. */
typedef struct filter {
    int size; /* output pixels of the stretch */
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
    f->size = size;
    f->taps = (int)ceil(support) * 2 + 1;
    f->first = calloc((size_t)size, sizeof *f->first);
    f->n = calloc((size_t)size, sizeof *f->n);
    f->weight = calloc((size_t)size * (size_t)f->taps, sizeof *f->weight);
    return f->first && f->n && f->weight;
}

/* Output pixel `at` of the whole is pixel i of the stretch. row: room for f->taps weights. */
static void fill_taps(filter *f, int i, int at, int from, double scale, double *row) {
    double wide = fmax(scale, 1), support = LOBES * wide, centre = (at + 0.5) * scale, sum = 0;
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

/* One axis: `from` pixels become `whole`, of which `size` in the middle are kept. */
typedef struct axis {
    int from, whole, size;
} axis;

static int left_out(axis a) {
    return (a.whole - a.size) / 2;
}

static df_code filter_make(filter *f, axis a, df_err *err) {
    double scale = (double)a.from / a.whole;
    double *row = NULL;
    if (!filter_alloc(f, a.size, LOBES * fmax(scale, 1)) || !(row = calloc((size_t)f->taps, sizeof *row)))
        return df_err_set(err, DF_ENOMEM, "scaling of %d to %d pixels", a.from, a.whole);
    for (int i = 0; i < a.size; i++) fill_taps(f, i, left_out(a) + i, a.from, scale, row);
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

/* The rows of `in` from first_row on, as many as `out` has. */
static void pass_across(df_image *out, const df_image *in, int first_row, const filter *f) {
    size_t C = (size_t)in->channels, row = (size_t)in->width * C;
    const uint8_t *from = in->pixels + (size_t)first_row * row;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++, from += row)
        for (int x = 0; x < out->width; x++)
            for (size_t c = 0; c < C; c++)
                *to++ =
                    weighted(from + (size_t)f->first[x] * C + c, C, f->weight + (size_t)x * (size_t)f->taps, f->n[x]);
}

/* `in` begins with row first_row of what the filter was made for. */
static void pass_down(df_image *out, const df_image *in, int first_row, const filter *f) {
    size_t row = (size_t)in->width * (size_t)in->channels;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++)
        for (size_t i = 0; i < row; i++)
            *to++ = weighted(in->pixels + (size_t)(f->first[y] - first_row) * row + i, row,
                             f->weight + (size_t)y * (size_t)f->taps, f->n[y]);
}

/* Both passes compute only what the other and the crop leave: a strip of 16384x100 is not blown up to millions of
 * pixels a side. */
static df_code two_passes(df_image *out, const df_image *in, const filter *across, const filter *down, df_err *err) {
    int last = down->size - 1, first_row = down->first[0], n_rows = down->first[last] + down->n[last] - first_row;
    df_image between;
    df_code rc = alloc(&between, across->size, n_rows, in->channels, err);
    if (!rc) rc = alloc(out, across->size, down->size, in->channels, err);
    if (!rc) {
        pass_across(&between, in, first_row, across);
        pass_down(out, &between, first_row, down);
    }
    df_image_clear(&between);
    return rc;
}

static df_code cover_lanczos(df_image *out, const df_image *in, axis x, axis y, df_err *err) {
    filter across = { 0 }, down = { 0 };
    df_code rc = filter_make(&across, x, err);
    if (!rc) rc = filter_make(&down, y, err);
    if (!rc) rc = two_passes(out, in, &across, &down, err);
    filter_free(&across);
    filter_free(&down);
    return rc;
}

/* A running sum, not a product: where the exact position lies between two pixels its last bit decides, as in Pillow
 * (Geometry.c, ImagingScaleAffine). Caller frees. */
static int *nearest(axis a, df_err *err) {
    int *at = malloc((size_t)a.size * sizeof *at), skipped = left_out(a);
    double step = (double)a.from / a.whole, position = step * 0.5;
    if (!at) df_err_set(err, DF_ENOMEM, "scaling of %d to %d pixels", a.from, a.whole);
    for (int i = 0; at && i < skipped + a.size; i++, position += step)
        if (i >= skipped) at[i - skipped] = position < a.from ? (int)position : a.from - 1;
    return at;
}

static df_code cover_nearest(df_image *out, const df_image *in, axis x, axis y, df_err *err) {
    int *column = nearest(x, err), *row = nearest(y, err);
    df_code rc = column && row ? alloc(out, x.size, y.size, in->channels, err) : DF_ENOMEM;
    for (int i = 0; !rc && i < y.size; i++)
        for (int k = 0; k < x.size; k++)
            out->pixels[(size_t)i * (size_t)x.size + (size_t)k] =
                in->pixels[(size_t)row[i] * (size_t)in->width + (size_t)column[k]];
    free(column);
    free(row);
    return rc;
}

static df_code copy_of(df_image *out, const df_image *in, df_err *err) {
    df_code rc = alloc(out, in->width, in->height, in->channels, err);
    if (!rc) memcpy(out->pixels, in->pixels, (size_t)in->width * (size_t)in->height * (size_t)in->channels);
    return rc;
}

df_code df_image_cover(df_image *out, const df_image *in, int width, int height, df_err *err) {
    if (width == in->width && height == in->height) return copy_of(out, in, err);
    double scale = fmax((double)width / in->width, (double)height / in->height);
    axis x = { .from = in->width, .whole = (int)fmax(rint(in->width * scale), width), .size = width };
    axis y = { .from = in->height, .whole = (int)fmax(rint(in->height * scale), height), .size = height };
    return (in->channels == 1 ? cover_nearest : cover_lanczos)(out, in, x, y, err);
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

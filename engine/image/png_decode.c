#include "engine/image/png_io.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/image/png_error.h"

enum { MAX_DEFLATE_RATIO = 1032 /* of zlib's format: 258 bytes from two bits */ };

typedef struct decoder {
    png_structp png;
    png_infop info;
    const unsigned char *bytes;
    size_t n_bytes, at;
    uint8_t *pixels; /* RGBA */
    df_png_error error;
} decoder;

static void read_bytes(png_structp png, png_bytep to, size_t n) {
    decoder *d = png_get_io_ptr(png);
    if (n > d->n_bytes - d->at) png_error(png, "the file is cut");
    memcpy(to, d->bytes + d->at, n);
    d->at += n;
}

static df_code decoder_open(decoder *d, const void *bytes, size_t n_bytes, df_err *err) {
    memset(d, 0, sizeof *d);
    d->bytes = bytes;
    d->n_bytes = n_bytes;
    if (n_bytes < 8 || png_sig_cmp(d->bytes, 0, 8)) return df_err_set(err, DF_EFORMAT, "not a PNG file");
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d->error, df_png_error_keep, df_png_warning_drop);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info) return df_err_set(err, DF_ENOMEM, "png: no decoder");
    png_set_read_fn(d->png, d, read_bytes);
    png_set_chunk_cache_max(d->png, 1); /* none is kept, so a number that is no "unlimited" */
    png_set_chunk_malloc_max(d->png, 1 << 20); /* PLTE and tRNS are small */
    return DF_OK;
}

static void decoder_close(decoder *d) {
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->pixels);
}

static df_code damaged(decoder *d, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "png: %s", d->error.text);
}

static df_code read_header(decoder *d, int max_side, df_err *err) {
    if (setjmp(png_jmpbuf(d->png))) return damaged(d, err);
    /* All ancillary chunks but tRNS are skipped unread: no other one changes pixels here. */
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(d->png, 0x7fffffff, 0x7fffffff); /* checked below, for a better message */
    png_read_info(d->png, d->info);
    png_uint_32 width = png_get_image_width(d->png, d->info), height = png_get_image_height(d->png, d->info);
    if (max_side < 0 || width > (png_uint_32)max_side || height > (png_uint_32)max_side)
        return df_err_set(err, DF_ELIMIT, "png: a picture of %u x %u, at most %d a side are read", width, height,
                          max_side);
    /* A few bytes can claim any size: nothing is allocated for more than they can hold. */
    if ((double)png_get_rowbytes(d->png, d->info) * height > (double)d->n_bytes * MAX_DEFLATE_RATIO)
        return df_err_set(err, DF_EFORMAT, "png: %zu bytes cannot hold a picture of %u x %u", d->n_bytes, width,
                          height);
    return DF_OK;
}

/* Any kind of PNG becomes 8-bit RGBA, rows one after the other. */
static df_code read_rgba(decoder *d, size_t width, size_t height, df_err *err) {
    if (setjmp(png_jmpbuf(d->png))) return damaged(d, err);
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_gray_to_rgb(d->png);
    png_set_add_alpha(d->png, 0xff, PNG_FILLER_AFTER);
    int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != 4 * width)
        return df_err_set(err, DF_EINTERNAL, "png: rows of %zu bytes", png_get_rowbytes(d->png, d->info));
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) png_read_row(d->png, d->pixels + y * 4 * width, NULL);
    png_read_end(d->png, NULL);
    return DF_OK;
}

/* In place; RGB is shorter than RGBA. */
static void over_white(uint8_t *pixels, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned alpha = pixels[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((pixels[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

static df_code decode(decoder *d, uint8_t **rgb, int *width, int *height, int max_side, df_err *err) {
    df_code rc = read_header(d, max_side, err);
    if (rc) return rc;
    size_t w = png_get_image_width(d->png, d->info), h = png_get_image_height(d->png, d->info), n, bytes;
    if (!df_size_mul(&n, w, h) || !df_size_mul(&bytes, n, 4) || !(d->pixels = malloc(bytes)))
        return df_err_set(err, DF_ENOMEM, "png: a picture of %zu x %zu", w, h);
    if ((rc = read_rgba(d, w, h, err))) return rc;
    over_white(d->pixels, n);
    uint8_t *shorter = realloc(d->pixels, n * 3);
    *rgb = shorter ? shorter : d->pixels;
    d->pixels = NULL;
    *width = (int)w;
    *height = (int)h;
    return DF_OK;
}

df_code df_png_decode(uint8_t **rgb, int *width, int *height, const void *png, size_t bytes, int max_side,
                      df_err *err) {
    decoder d;
    df_code rc = decoder_open(&d, png, bytes, err);
    if (!rc) rc = decode(&d, rgb, width, height, max_side, err);
    decoder_close(&d);
    return rc;
}

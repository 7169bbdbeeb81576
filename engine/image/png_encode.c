#include "engine/image/png_io.h"

#include <libdeflate.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/size.h"
#include "engine/image/latin1.h"
#include "engine/image/png_error.h"
#include "engine/image/png_filter.h"

/* libpng writes the file around the pixels, which libdeflate packs in one piece: half to a third of the time that zlib
 * takes behind libpng. Filtered pictures hold few repeats, so that looking for more of them than level 1 does takes
 * twice the time and saves 0 to 4 % (docs/performance.md). */
enum { LEVEL = 1 };

typedef struct encoder {
    png_structp png;
    png_infop info;
    png_text *texts;
    char **latin1; /* per text: its Latin-1 form, NULL if that cannot hold it */
    uint8_t *rows; /* filtered */
    unsigned char *packed;
    size_t rows_bytes, packed_bytes;
    df_buf out;
    df_png_error error;
} encoder;

static void write_bytes(png_structp png, png_bytep data, size_t n) {
    encoder *e = png_get_io_ptr(png);
    df_buf_add(&e->out, data, n);
    if (e->out.failed) png_error(png, "out of memory");
}

static void flush_nothing(png_structp png) {
    (void)png;
}

/* Printable Latin-1 without leading, trailing or doubled spaces, as the specification asks. */
static bool key_is_valid(const char *key) {
    size_t n = strlen(key);
    if (n < 1 || n > 79 || key[0] == ' ' || key[n - 1] == ' ' || strstr(key, "  ")) return false;
    for (const unsigned char *c = (const unsigned char *)key; *c; c++)
        if (*c < 32 || (*c > 126 && *c < 161)) return false;
    return true;
}

static df_code prepare_texts(encoder *e, const df_png_text *texts, int n, df_err *err) {
    e->texts = calloc((size_t)n + 1, sizeof *e->texts);
    e->latin1 = calloc((size_t)n + 1, sizeof *e->latin1);
    if (!e->texts || !e->latin1) return df_err_set(err, DF_ENOMEM, "png: %d texts", n);
    for (int i = 0; i < n; i++) {
        if (!key_is_valid(texts[i].key))
            return df_err_set(err, DF_EINVAL, "png: '%.100s' cannot be the key of a text", texts[i].key);
        df_code rc = df_latin1_of_utf8(&e->latin1[i], texts[i].text, err);
        if (rc) return df_err_wrap(err, "png: text '%s'", texts[i].key);
        e->texts[i].compression = e->latin1[i] ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        e->texts[i].key = (char *)texts[i].key;
        e->texts[i].text = e->latin1[i] ? e->latin1[i] : (char *)texts[i].text;
        e->texts[i].lang = e->texts[i].lang_key = NULL;
    }
    return DF_OK;
}

static df_code filter_pixels(encoder *e, const uint8_t *rgb, int width, int height, df_err *err) {
    if (!df_size_mul(&e->rows_bytes, (size_t)width * 3 + 1, (size_t)height) || !(e->rows = malloc(e->rows_bytes)))
        return df_err_set(err, DF_ENOMEM, "png: a picture of %d x %d", width, height);
    return df_png_filter(e->rows, rgb, width, height, err);
}

static df_code pack_pixels(encoder *e, df_err *err) {
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);
    size_t room = libdeflate_zlib_compress_bound(c, e->rows_bytes);
    e->packed = c ? malloc(room) : NULL;
    if (e->packed) e->packed_bytes = libdeflate_zlib_compress(c, e->rows, e->rows_bytes, e->packed, room);
    libdeflate_free_compressor(c);
    if (!e->packed) return df_err_set(err, DF_ENOMEM, "png: %zu bytes to pack", e->rows_bytes);
    if (e->packed_bytes > PNG_UINT_31_MAX)
        return df_err_set(err, DF_ELIMIT, "png: %zu bytes of pixels, a file holds %u", e->packed_bytes,
                          PNG_UINT_31_MAX);
    return DF_OK;
}

/* Only calls that may long-jump, and no object that a jump would lose. */
static df_code write_file(encoder *e, int width, int height, int n_texts, df_err *err) {
    if (setjmp(png_jmpbuf(e->png)))
        return df_err_set(err, e->out.failed ? DF_ENOMEM : DF_EINVAL, "png: %s", e->error.text);
    png_set_write_fn(e->png, e, write_bytes, flush_nothing);
    png_set_IHDR(e->png, e->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    if (n_texts) png_set_text(e->png, e->info, e->texts, n_texts);
    png_write_info(e->png, e->info);
    png_write_chunk(e->png, (png_const_bytep) "IDAT", e->packed, e->packed_bytes);
    png_write_chunk(e->png, (png_const_bytep) "IEND", NULL, 0);
    return DF_OK;
}

df_code df_png_encode(unsigned char **png, size_t *bytes, const uint8_t *rgb, int width, int height,
                      const df_png_text *texts, int n_texts, df_err *err) {
    if (width < 1 || height < 1 || width > PNG_USER_WIDTH_MAX || height > PNG_USER_HEIGHT_MAX || n_texts < 0)
        return df_err_set(err, DF_EINVAL, "png: a picture of %d x %d cannot be written", width, height);
    df_err own;
    if (!err) err = &own;
    encoder e = { 0 };
    e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e.error, df_png_error_keep, df_png_warning_drop);
    e.info = e.png ? png_create_info_struct(e.png) : NULL;
    df_code rc = e.info ? prepare_texts(&e, texts, n_texts, err) : df_err_set(err, DF_ENOMEM, "png: no encoder");
    if (!rc) rc = filter_pixels(&e, rgb, width, height, err);
    if (!rc) rc = pack_pixels(&e, err);
    if (!rc) rc = write_file(&e, width, height, n_texts, err);
    for (int i = 0; e.latin1 && i < n_texts; i++) free(e.latin1[i]);
    free(e.latin1);
    free(e.texts);
    free(e.rows);
    free(e.packed);
    png_destroy_write_struct(&e.png, &e.info);
    if (rc) {
        df_buf_free(&e.out);
        return rc;
    }
    *png = (unsigned char *)e.out.data;
    *bytes = e.out.len;
    return DF_OK;
}

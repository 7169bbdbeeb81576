#include "coordinator/png_check.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <string.h>

enum { SIGNATURE_BYTES = 8, CHUNK_BYTES = 12, IHDR_BYTES = 13 }; /* of a chunk: length, name, checksum */

typedef struct chunk {
    const uint8_t *name, *data;
    uint32_t bytes;
} chunk;

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The chunk at p, with `left` bytes from there on; false if it is cut or its checksum is wrong. */
static bool read_chunk(chunk *c, const uint8_t *p, size_t left) {
    if (left < CHUNK_BYTES || big_endian(p) > left - CHUNK_BYTES) return false;
    *c = (chunk) { p + 4, p + 8, big_endian(p) };
    return libdeflate_crc32(0, c->name, c->bytes + 4) == big_endian(c->data + c->bytes);
}

static bool is(const chunk *c, const char *name) {
    return !memcmp(c->name, name, 4);
}

static df_code damaged(size_t bytes, size_t at, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "result of %zu bytes is damaged: no whole PNG chunk at byte %zu", bytes, at);
}

static df_code read_header(const chunk *c, uint32_t *width, uint32_t *height, df_err *err) {
    if (!is(c, "IHDR") || c->bytes != IHDR_BYTES)
        return df_err_set(err, DF_EFORMAT, "result does not begin with an IHDR chunk");
    *width = big_endian(c->data);
    *height = big_endian(c->data + 4);
    return DF_OK;
}

static df_code walk(const void *png, size_t bytes, uint32_t *width, uint32_t *height, df_err *err) {
    static const uint8_t signature[SIGNATURE_BYTES] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    const uint8_t *p = png;
    chunk c;
    bool has_pixels = false;
    if (bytes < SIGNATURE_BYTES || memcmp(p, signature, SIGNATURE_BYTES) != 0)
        return df_err_set(err, DF_EFORMAT, "result of %zu bytes is not a PNG", bytes);
    for (size_t at = SIGNATURE_BYTES;; at += CHUNK_BYTES + (size_t)c.bytes) {
        if (!read_chunk(&c, p + at, bytes - at)) return damaged(bytes, at, err);
        df_code rc = at == SIGNATURE_BYTES ? read_header(&c, width, height, err) : DF_OK;
        if (rc) return rc;
        has_pixels |= is(&c, "IDAT");
        if (!is(&c, "IEND")) continue;
        if (!has_pixels) return df_err_set(err, DF_EFORMAT, "result has no pixels (no IDAT chunk)");
        return at + CHUNK_BYTES + c.bytes == bytes ? DF_OK : damaged(bytes, at + CHUNK_BYTES + c.bytes, err);
    }
}

void df_png_look_at(df_png_look *look, const void *png, size_t bytes) {
    *look = (df_png_look) { 0 };
    look->rc = walk(png, bytes, &look->width, &look->height, &look->why);
    if (!look->rc) df_sha256_of(png, bytes, look->sha256);
}

df_code df_png_look_check(const df_png_look *look, uint32_t width, uint32_t height, df_err *err) {
    if (look->rc) return df_err_set(err, look->rc, "%s", look->why.text);
    if (look->width == width && look->height == height) return DF_OK;
    return df_err_set(err, DF_EFORMAT, "result is %ux%u, its row asks for %ux%u", look->width, look->height, width,
                      height);
}

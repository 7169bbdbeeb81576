/* Texts of a PNG, read from its chunks without touching the pixels: length, type, data, CRC, one after the other. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/image/latin1.h"
#include "engine/image/png_io.h"

enum { SIGNATURE_BYTES = 8, MAX_TEXT_BYTES = 16 << 20 };

typedef struct chunk {
    const unsigned char *type; /* four letters, then the data */
    const unsigned char *data;
    size_t bytes;
} chunk;

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Takes the chunk at *at and moves *at behind it. */
static df_code next_chunk(chunk *c, const unsigned char *png, size_t bytes, size_t *at, df_err *err) {
    size_t left = bytes - *at;
    uint32_t n = left < 12 ? 0 : big_endian(png + *at);
    if (left < 12 || n > left - 12) return df_err_set(err, DF_EFORMAT, "png: the file is cut");
    *c = (chunk) { .type = png + *at + 4, .data = png + *at + 8, .bytes = n };
    *at += 12 + (size_t)n;
    return DF_OK;
}

static bool is_type(const chunk *c, const char *type) {
    return !memcmp(c->type, type, 4);
}

/* Cuts the string up to the next 0 off the front of what is left; NULL if there is no 0. */
static const char *cut_string(chunk *c) {
    const unsigned char *start = c->data, *end = c->bytes ? memchr(start, 0, c->bytes) : NULL;
    if (!end) return NULL;
    c->bytes -= (size_t)(end - start) + 1;
    c->data = end + 1;
    return (const char *)start;
}

/* Cuts one byte; -1 at the end. */
static int cut_byte(chunk *c) {
    if (!c->bytes) return -1;
    c->bytes--;
    return *c->data++;
}

static df_code inflate_text(char **out, size_t *n, const chunk *c, df_err *err) {
    for (uLongf cap = 4096; cap <= MAX_TEXT_BYTES; cap *= 2) {
        uLongf used = cap;
        char *text = malloc(cap);
        if (!text) return df_err_set(err, DF_ENOMEM, "png: a text of %lu bytes", cap);
        int rc = uncompress((Bytef *)text, &used, c->data, c->bytes);
        if (rc == Z_OK) {
            *out = text;
            *n = used;
            return DF_OK;
        }
        free(text);
        if (rc != Z_BUF_ERROR) return df_err_set(err, DF_EFORMAT, "png: a compressed text is damaged");
    }
    return df_err_set(err, DF_EFORMAT, "png: a compressed text is cut or over %d bytes", MAX_TEXT_BYTES);
}

static df_code copy_utf8(char **out, const char *text, size_t n, df_err *err) {
    if (memchr(text, 0, n)) return df_err_set(err, DF_EFORMAT, "png: a text has a 0 in it");
    df_code rc = df_utf8_check(text, n, err);
    if (rc) return rc;
    *out = strndup(text, n);
    return *out ? DF_OK : df_err_set(err, DF_ENOMEM, "png: a text of %zu bytes", n);
}

/* c is what follows the key. */
static df_code read_value(char **out, chunk *c, bool utf8, bool compressed, df_err *err) {
    char *inflated = NULL;
    const char *text = c->bytes ? (const char *)c->data : "";
    size_t n = c->bytes;
    if (compressed) {
        df_code rc = inflate_text(&inflated, &n, c, err);
        if (rc) return rc;
        text = inflated;
    }
    df_code rc = utf8 ? copy_utf8(out, text, n, err) : df_latin1_to_utf8(out, text, n, err);
    free(inflated);
    return rc;
}

static df_code read_text_chunk(char **out, chunk c, df_err *err) {
    if (is_type(&c, "tEXt")) return read_value(out, &c, false, false, err);
    bool international = is_type(&c, "iTXt");
    int compressed = international ? cut_byte(&c) : 1, method = cut_byte(&c);
    if (compressed < 0 || compressed > 1 || method < 0 || (compressed && method) ||
        (international && (!cut_string(&c) || !cut_string(&c)))) /* language, translated key */
        return df_err_set(err, DF_EFORMAT, "png: a text chunk is damaged");
    return read_value(out, &c, international, compressed == 1, err);
}

df_code df_png_read_text(char **text, const void *png, size_t bytes, const char *key, df_err *err) {
    static const unsigned char signature[SIGNATURE_BYTES] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    if (bytes < SIGNATURE_BYTES || memcmp(png, signature, SIGNATURE_BYTES))
        return df_err_set(err, DF_EFORMAT, "not a PNG file");
    chunk c = { 0 };
    for (size_t at = SIGNATURE_BYTES;;) {
        df_code rc = next_chunk(&c, png, bytes, &at, err);
        if (rc) return rc;
        if (is_type(&c, "IEND")) break;
        if (!is_type(&c, "tEXt") && !is_type(&c, "zTXt") && !is_type(&c, "iTXt")) continue;
        const unsigned char *type = c.type;
        size_t n = c.bytes;
        const char *name = cut_string(&c);
        if (!name || strcmp(name, key)) continue;
        if ((uint32_t)crc32(0, type, (uInt)n + 4) != big_endian(type + 4 + n))
            return df_err_set(err, DF_EFORMAT, "png: text '%s' is damaged", key);
        return read_text_chunk(text, c, err);
    }
    *text = NULL;
    return DF_OK;
}

#include "engine/image/latin1.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Decodes one character: returns its length in bytes, 0 if it is not well formed (overlong, surrogate, cut). */
static size_t decode(const unsigned char *s, size_t n, uint32_t *point) {
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (!len || len > n) return 0;
    uint32_t p = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (s[i] >> 6 != 2) return 0;
        p = p << 6 | (s[i] & 0x3f);
    }
    if (p < smallest[len] || p > 0x10ffff || (p >= 0xd800 && p < 0xe000)) return 0;
    *point = p;
    return len;
}

static bool is_printable_latin1(uint32_t p) {
    return p == '\n' || (p >= 32 && p < 127) || (p >= 160 && p < 256);
}

df_code df_latin1_of_utf8(char **latin1, const char *utf8, df_err *err) {
    size_t n = strlen(utf8), used = 0;
    bool fits = true;
    char *text = malloc(n + 1);
    if (!text) return df_err_set(err, DF_ENOMEM, "%zu bytes of text", n);
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t point;
        len = decode((const unsigned char *)utf8 + i, n - i, &point);
        if (!len) {
            free(text);
            return df_err_set(err, DF_EINVAL, "byte %zu is not UTF-8", i);
        }
        fits = fits && is_printable_latin1(point);
        if (fits) text[used++] = (char)point;
    }
    text[used] = '\0';
    if (!fits) {
        free(text);
        text = NULL;
    }
    *latin1 = text;
    return DF_OK;
}

df_code df_latin1_to_utf8(char **utf8, const char *latin1, size_t n, df_err *err) {
    char *text = malloc(2 * n + 1), *to = text;
    if (!text) return df_err_set(err, DF_ENOMEM, "%zu bytes of text", n);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)latin1[i];
        if (c < 0x80) {
            *to++ = (char)c;
        } else {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *to = '\0';
    *utf8 = text;
    return DF_OK;
}

df_code df_utf8_check(const char *text, size_t n, df_err *err) {
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t point;
        if (!(len = decode((const unsigned char *)text + i, n - i, &point)))
            return df_err_set(err, DF_EFORMAT, "byte %zu is not UTF-8", i);
    }
    return DF_OK;
}

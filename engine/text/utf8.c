#include "engine/text/utf8.h"

#include <stdbool.h>

enum { REPLACEMENT = 0xfffd };

/* Bytes of the longest start of a valid sequence at p: all of it (*valid), or what U+FFFD stands for. */
static size_t sequence_at(const unsigned char *p, size_t left, bool *valid) {
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    *valid = length == 1;
    if (length < 2) return 1;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80; /* no overlong forms */
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf; /* no surrogates, nothing past U+10FFFF */
    size_t n = 1;
    for (; n < length && n < left; n++) {
        if (p[n] < low || p[n] > high) break;
        low = 0x80;
        high = 0xbf;
    }
    *valid = n == length;
    return n;
}

static int32_t decode(const unsigned char *p, size_t length) {
    static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    int32_t c = p[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++) c = c << 6 | (p[i] & 0x3f);
    return c;
}

int32_t df_utf8_next(const char *p, size_t left, size_t *length) {
    const unsigned char *at = (const unsigned char *)p;
    bool valid;
    *length = sequence_at(at, left, &valid);
    return valid ? decode(at, *length) : REPLACEMENT;
}

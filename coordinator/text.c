#include "coordinator/text.h"

#include <stdint.h>
#include <string.h>

/* Length of the well-formed UTF-8 character at p, 0 if it is none (Unicode 15, table 3-7). */
static size_t char_bytes(const unsigned char *p) {
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80; /* below: overlong */
    unsigned high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf; /* above: a surrogate, or past U+10FFFF */
    if (!n || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return n;
}

bool df_text_is_utf8(const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = char_bytes(p);
        if (!n) return false;
        p += n;
    }
    return true;
}

static bool is_control(unsigned char c) {
    return c < 0x20 || c == 0x7f;
}

bool df_text_has_control(const char *text) {
    for (; *text; text++)
        if (is_control((unsigned char)*text)) return true;
    return false;
}

bool df_text_is_hex(const char *text, size_t n_digits) {
    return strspn(text, "0123456789abcdef") == n_digits && !text[n_digits];
}

char *df_text_clean(char *out, size_t out_bytes, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0;
    while (*p) {
        size_t n = char_bytes(p);
        bool bad = !n || is_control(*p);
        if (bad) n = 1;
        if (used + n + 1 > out_bytes) break;
        if (bad)
            out[used] = '?';
        else
            memcpy(out + used, p, n);
        used += n;
        p += n;
    }
    out[used] = '\0';
    return out;
}

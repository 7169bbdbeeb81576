#include "engine/text/byte_symbols.h"

#include <stdbool.h>
#include <stdio.h>

static bool is_printable(unsigned byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* Printable bytes stand for themselves (Latin-1), the others for U+0100 and up in their order. */
static unsigned codepoint_of(unsigned char byte) {
    if (is_printable(byte)) return byte;
    unsigned others = 0;
    for (unsigned b = 0; b < byte; b++) others += !is_printable(b);
    return 0x100 + others;
}

char *df_byte_symbol(unsigned char byte, int ends_word, char out[DF_BYTE_SYMBOL_BYTES]) {
    unsigned c = codepoint_of(byte);
    const char *end = ends_word ? "</w>" : "";
    if (c < 0x80)
        snprintf(out, DF_BYTE_SYMBOL_BYTES, "%c%s", (int)c, end);
    else
        snprintf(out, DF_BYTE_SYMBOL_BYTES, "%c%c%s", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)), end);
    return out;
}

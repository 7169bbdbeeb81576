#include "coordinator/simulate/png.h"

#include <string.h>

#include "coordinator/simulate/random.h"

static uint8_t *put_big_endian(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) *p++ = (uint8_t)(v >> (24 - 8 * i));
    return p;
}

static uint32_t crc_of(const uint8_t *p, size_t n) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint8_t *put_chunk(uint8_t *p, const char *kind, const uint8_t *data, size_t n) {
    uint8_t *from = put_big_endian(p, (uint32_t)n);
    memcpy(from, kind, 4);
    if (n) memmove(from + 4, data, n); /* it may lie there already */
    return put_big_endian(from + 4 + n, crc_of(from, 4 + n));
}

/* zlib with one stored block: a filter byte and the pixels of each line. */
static size_t put_pixels(uint8_t *out, uint32_t side, uint64_t number) {
    df_sim_random random = df_sim_random_from(number);
    uint32_t n = side * (side + 1), a = 1, b = 0;
    uint8_t head[] = { 0x78, 0x01, 0x01, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8) };
    uint8_t *p = out + sizeof head;
    memcpy(out, head, sizeof head);
    for (uint32_t i = 0; i < n; i++) {
        p[i] = i % (side + 1) ? (uint8_t)df_sim_draw(&random) : 0;
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return (size_t)(put_big_endian(p + n, b << 16 | a) - out);
}

static uint8_t *put_head(uint8_t *out, uint32_t side) {
    static const uint8_t signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    uint8_t ihdr[13] = { [8] = 8 };
    memcpy(out, signature, sizeof signature);
    put_big_endian(put_big_endian(ihdr, side), side);
    return put_chunk(out + sizeof signature, "IHDR", ihdr, sizeof ihdr);
}

static uint8_t *put_rest(uint8_t *p, uint32_t side, uint64_t number) {
    uint8_t pixels[320];
    p = put_chunk(p, "IDAT", pixels, put_pixels(pixels, side, number));
    return put_chunk(p, "IEND", NULL, 0);
}

size_t df_sim_png(uint8_t *out, uint32_t side, uint64_t number) {
    return (size_t)(put_rest(put_head(out, side), side, number) - out);
}

size_t df_sim_png_of_size(uint8_t *out, uint32_t side, size_t bytes) {
    enum { CHUNK_BYTES = 12 };
    df_sim_random random = df_sim_random_from(bytes);
    uint8_t *p = put_head(out, side), rest[DF_SIM_PNG_BYTES];
    size_t n_rest = (size_t)(put_rest(rest, side, 0) - rest), n_head = (size_t)(p - out);
    if (bytes > n_head + CHUNK_BYTES + n_rest) {
        size_t n = bytes - n_head - CHUNK_BYTES - n_rest;
        uint8_t *data = p + 8;
        for (size_t i = 0; i < n; i++) data[i] = (uint8_t)df_sim_draw(&random);
        p = put_chunk(p, "fiLl", data, n);
    }
    memcpy(p, rest, n_rest);
    return (size_t)(p - out) + n_rest;
}

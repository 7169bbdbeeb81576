/* Any bytes as a PNG. Check sums are made right first: they would turn away nearly every change. */
#include <string.h>
#include <zlib.h>

#include "engine/image/png_io.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_SIDE = 512 };

long fuzz_accepted;

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void mend_check_sums(uint8_t *png, size_t size) {
    for (size_t at = 8; at < size && size - at >= 12;) {
        size_t n = big_endian(png + at);
        if (n > size - at - 12) return;
        uint32_t crc = (uint32_t)crc32(0, png + at + 4, (uInt)n + 4);
        for (int i = 0; i < 4; i++) png[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += n + 12;
    }
}

static void decode(const uint8_t *png, size_t size) {
    uint8_t *rgb = NULL;
    int width = 0, height = 0;
    df_err err = { 0 };
    df_code rc = df_png_decode(&rgb, &width, &height, png, size, MAX_SIDE, &err);
    FUZZ_CHECK((rc == DF_OK) == (rgb != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return;
    fuzz_accepted++;
    FUZZ_CHECK(width > 0 && width <= MAX_SIDE && height > 0 && height <= MAX_SIDE);
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++) sum += rgb[i];
    FUZZ_CHECK(sum <= (unsigned)width * (unsigned)height * 3 * 255);
    free(rgb);
}

static void read_texts(const uint8_t *png, size_t size) {
    static const char *const keys[] = { "parameters", "key", "" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char *text = NULL;
        df_code rc = df_png_read_text(&text, png, size, keys[i], NULL);
        FUZZ_CHECK(rc == DF_OK || !text);
        free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *png = malloc(size ? size : 1);
    FUZZ_CHECK(png);
    if (size) memcpy(png, data, size);
    mend_check_sums(png, size);
    decode(png, size);
    read_texts(png, size);
    free(png);
    return 0;
}

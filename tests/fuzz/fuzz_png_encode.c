/* Any pixels and any text as a PNG: what was written is read again as it was.
 *
 * An input: the width, the length of the text, the text, the pixels, as often as they are needed. */
#include <string.h>

#include "engine/image/png_io.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_SIDE = 256 };

long fuzz_accepted;

static void check(const unsigned char *png, size_t bytes, const uint8_t *rgb, int width, int height, const char *text) {
    uint8_t *back = NULL;
    char *text_back = NULL;
    int w, h;
    FUZZ_CHECK(df_png_decode(&back, &w, &h, png, bytes, MAX_SIDE, NULL) == DF_OK);
    FUZZ_CHECK(w == width && h == height && !memcmp(back, rgb, (size_t)width * (size_t)height * 3));
    FUZZ_CHECK(df_png_read_text(&text_back, png, bytes, "key", NULL) == DF_OK);
    FUZZ_CHECK(text_back && !strcmp(text_back, text));
    free(back);
    free(text_back);
}

/* rgb holds at least one pixel; what does not fill a row is left out. */
static void encode(const uint8_t *rgb, size_t bytes, size_t width, const char *text) {
    size_t pixels = bytes / 3, height;
    if (width > pixels) width = pixels;
    height = pixels / width < MAX_SIDE ? pixels / width : MAX_SIDE;
    const df_png_text texts[] = { { "key", text } };
    unsigned char *png = NULL;
    size_t n = 0;
    df_err err = { 0 };
    df_code rc = df_png_encode(&png, &n, rgb, (int)width, (int)height, texts, 1, &err);
    FUZZ_CHECK((rc == DF_OK) == (png != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return; /* the text is not UTF-8 */
    fuzz_accepted++;
    check(png, n, rgb, (int)width, (int)height, text);
    free(png);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 5) return 0;
    size_t width = (size_t)data[0] + 1, most = size - 5, length = data[1] < most ? data[1] : most;
    char *text = strndup((const char *)data + 2, length);
    uint8_t *rgb = malloc(size - 2 - length); /* a copy: reading past its end is seen */
    FUZZ_CHECK(text && rgb);
    memcpy(rgb, data + 2 + length, size - 2 - length);
    encode(rgb, size - 2 - length, width, text);
    free(text);
    free(rgb);
    return 0;
}

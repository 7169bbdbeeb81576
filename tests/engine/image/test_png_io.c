#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <png.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/sha256.h"
#include "engine/image/png_io.h"
#include "tests/support/golden.h"

enum { W = 13, H = 9 };

static void pattern(uint8_t *rgb, int width, int height) {
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) *rgb++ = (uint8_t)(x * 7 + y * 3 + c * 50 + (x * y) % 11);
}

static void what_is_encoded_is_decoded(void **state) {
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 70 }, { 70, 1 }, { 64, 64 }, { 257, 33 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int w = sizes[i][0], h = sizes[i][1], width, height;
        uint8_t *rgb = malloc((size_t)(w * h * 3)), *back;
        unsigned char *png;
        size_t bytes;
        df_err err;
        pattern(rgb, w, h);
        assert_int_equal(df_png_encode(&png, &bytes, rgb, w, h, NULL, 0, &err), DF_OK);
        assert_int_equal(df_png_decode(&back, &width, &height, png, bytes, 257, &err), DF_OK);
        assert_int_equal(width, w);
        assert_int_equal(height, h);
        assert_memory_equal(back, rgb, (size_t)(w * h * 3));
        free(rgb);
        free(back);
        free(png);
    }
}

static df_buf chunk_names(const unsigned char *png, size_t bytes) {
    df_buf names = { 0 };
    for (size_t at = 8; at + 12 <= bytes;) {
        size_t n = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3];
        df_buf_printf(&names, "%.4s ", (const char *)png + at + 4);
        at += n + 12;
    }
    return names;
}

/* A change of these bytes changes every picture's hash in every farm's metadata: it must be meant. */
static void bytes_are_a_function_of_the_input(void **state) {
    (void)state;
    static const df_png_text texts[] = { { "parameters", "a cat\nSteps: 20" }, { "diffarm", "{\"p\":\"😀\"}" } };
    uint8_t rgb[W * H * 3];
    unsigned char *a, *b;
    size_t n, m;
    pattern(rgb, W, H);
    assert_int_equal(df_png_encode(&a, &n, rgb, W, H, texts, 2, NULL), DF_OK);
    assert_int_equal(df_png_encode(&b, &m, rgb, W, H, texts, 2, NULL), DF_OK);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    df_buf names = chunk_names(a, n);
    assert_string_equal(names.data, "IHDR tEXt iTXt IDAT IEND ");
    df_buf_free(&names);
    free(a);
    free(b);
}

static void expect_text(const unsigned char *png, size_t bytes, const char *key, const char *want) {
    char *text = NULL;
    df_err err;
    if (df_png_read_text(&text, png, bytes, key, &err)) fail_msg("%s: %s", key, err.text);
    if (want)
        assert_string_equal(text, want);
    else
        assert_null(text);
    free(text);
}

static void texts_come_back(void **state) {
    (void)state;
    static const df_png_text texts[] = {
        { "parameters", "plain ascii, \"quotes\"\nNegative prompt: x\nSteps: 20" },
        { "latin", "Caffè £5 ÿ" },
        { "wide", "日本語 😀 ’" },
        { "control", "tab\there" },
        { "empty", "" },
        { "Ä key", "value" },
        { "latin", "second" },
    };
    static df_png_text all[7];
    memcpy(all, texts, sizeof texts);
    all[5].key = "\xc4 key"; /* Latin-1 */
    uint8_t rgb[W * H * 3];
    unsigned char *png;
    size_t bytes;
    pattern(rgb, W, H);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, W, H, all, 7, NULL), DF_OK);
    for (int i = 0; i < 6; i++) expect_text(png, bytes, all[i].key, all[i].text);
    expect_text(png, bytes, "absent", NULL);
    df_buf names = chunk_names(png, bytes);
    assert_string_equal(names.data, "IHDR tEXt tEXt iTXt iTXt tEXt tEXt tEXt IDAT IEND ");
    df_buf_free(&names);
    free(png);
}

/* A PNG of one pixel and one text chunk. */
static df_buf with_chunk(const char *type, const char *data, size_t n) {
    uint8_t rgb[3] = { 0 };
    unsigned char *png;
    size_t bytes;
    df_buf b = { 0 };
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 1, 1, NULL, 0, NULL), DF_OK);
    unsigned char length[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                (unsigned char)n };
    df_buf_add(&b, png, 33); /* signature and IHDR */
    df_buf_add(&b, length, 4);
    df_buf_add(&b, type, 4);
    df_buf_add(&b, data, n);
    uint32_t crc = (uint32_t)crc32(0, (unsigned char *)b.data + 37, (uInt)n + 4);
    df_buf_add(&b, (unsigned char[]) { crc >> 24, crc >> 16 & 255, crc >> 8 & 255, crc & 255 }, 4);
    df_buf_add(&b, png + 33, bytes - 33);
    free(png);
    return b;
}

static df_buf compressed(const char *front, size_t n_front, const void *text, size_t n) {
    uLongf packed_bytes = compressBound(n);
    unsigned char *packed = malloc(packed_bytes);
    df_buf b = { 0 };
    assert_int_equal(compress(packed, &packed_bytes, text, n), Z_OK);
    df_buf_add(&b, front, n_front);
    df_buf_add(&b, packed, packed_bytes);
    free(packed);
    return b;
}

#define BYTES(literal) literal, sizeof(literal) - 1

static void reads_texts_of_other_programs(void **state) {
    (void)state;
    static const struct {
        const char *type, *data;
        size_t n;
        const char *want; /* NULL: damaged */
    } cases[] = {
        { "tEXt", BYTES("key\0caf\xe9"), "café" },
        { "tEXt", BYTES("key\0"), "" },
        { "iTXt", BYTES("key\0\0\0de\0Schl\xc3\xbcssel\0\xe2\x82\xac"), "€" },
        { "iTXt", BYTES("key\0\0\0\0\0"), "" },
        { "iTXt", BYTES("key\0\0\0de\0Schl"), NULL },
        { "iTXt", BYTES("key\0\0"), NULL },
        { "iTXt", BYTES("key\0\2\0\0\0x"), NULL },
        { "iTXt", BYTES("key\0\1\1\0\0x"), NULL },
        { "iTXt", BYTES("key\0\1\0\0\0x"), NULL },
        { "iTXt", BYTES("key\0\0\0\0\0\xff"), NULL },
        { "zTXt", BYTES("key\0"), NULL },
        { "zTXt", BYTES("key\0\0x"), NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_buf b = with_chunk(cases[i].type, cases[i].data, cases[i].n);
        char *text = NULL;
        df_code rc = df_png_read_text(&text, b.data, b.len, "key", NULL);
        if (rc != (cases[i].want ? DF_OK : DF_EFORMAT)) fail_msg("case %zu: %s", i, df_code_name(rc));
        if (cases[i].want) assert_string_equal(text, cases[i].want);
        free(text);
        df_buf_free(&b);
    }
    char *large = malloc(1 << 20);
    memset(large, 'x', 1 << 20);
    df_buf z = compressed("key\0\0", 5, large, (1 << 20) - 1), i = compressed("key\0\1\0\0\0", 8, large, 1 << 19);
    df_buf with_z = with_chunk("zTXt", z.data, z.len), with_i = with_chunk("iTXt", i.data, i.len);
    large[(1 << 20) - 1] = '\0';
    expect_text((unsigned char *)with_z.data, with_z.len, "key", large);
    large[1 << 19] = '\0';
    expect_text((unsigned char *)with_i.data, with_i.len, "key", large);
    with_z.data[50] ^= 1;
    char *text;
    assert_int_equal(df_png_read_text(&text, with_z.data, with_z.len, "key", NULL), DF_EFORMAT);
    expect_text((unsigned char *)with_z.data, with_z.len, "other", NULL);
    for (size_t n = 0; n < with_i.len - 12; n++)
        assert_int_equal(df_png_read_text(&text, with_i.data, n, "other", NULL), DF_EFORMAT);
    df_buf_free(&z);
    df_buf_free(&i);
    df_buf_free(&with_z);
    df_buf_free(&with_i);
    free(large);
}

/* Kilobytes that inflate without end are given up. */
static void refuses_a_text_bomb(void **state) {
    (void)state;
    size_t n = 64 << 20;
    char *zeros = calloc(1, n), *text = NULL;
    df_buf z = compressed("key\0\0", 5, zeros, n), b = with_chunk("zTXt", z.data, z.len);
    free(zeros);
    assert_int_equal(df_png_read_text(&text, b.data, b.len, "key", NULL), DF_EFORMAT);
    assert_null(text);
    df_buf_free(&z);
    df_buf_free(&b);
}

static void refuses_bad_texts_and_sizes(void **state) {
    (void)state;
    static const char *const keys[] = {
        "",
        " x",
        "x ",
        "a  b",
        "a\nb",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678"
        "9"
    };
    uint8_t rgb[3] = { 0 };
    unsigned char *png = NULL;
    size_t bytes;
    df_err err;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_int_equal(df_png_encode(&png, &bytes, rgb, 1, 1, &(df_png_text) { keys[i], "t" }, 1, &err), DF_EINVAL);
    static const char *const wrong[] = { "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf4\x90\x80\x80" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(df_png_encode(&png, &bytes, rgb, 1, 1, &(df_png_text) { "key", wrong[i] }, 1, &err),
                         DF_EINVAL);
    assert_non_null(strstr(err.text, "'key'"));
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 0, 1, NULL, 0, &err), DF_EINVAL);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 1, -1, NULL, 0, NULL), DF_EINVAL);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 2000000, 1, NULL, 0, &err), DF_EINVAL); /* libpng's own limit */
    assert_null(png);
}

typedef struct kind {
    int colour, depth, interlaced, transparent; /* transparent: with a tRNS chunk */
} kind;

static int channels_of(int colour) {
    return (colour & PNG_COLOR_MASK_COLOR && colour != PNG_COLOR_TYPE_PALETTE ? 3 : 1) +
           !!(colour & PNG_COLOR_MASK_ALPHA);
}

static unsigned sample(const kind *k, int x, int y, int c) {
    return ((unsigned)(x * 2654435761u) + (unsigned)(y * 40503u) + (unsigned)c * 9973u) >> 5 & ((1u << k->depth) - 1);
}

static void append(png_structp png, png_bytep data, size_t n) {
    df_buf_add(png_get_io_ptr(png), data, n);
}

static df_buf make(const kind *k) {
    df_buf out = { 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    png_byte alpha[256], row[W * 8];
    int channels = channels_of(k->colour);
    if (setjmp(png_jmpbuf(png))) fail_msg("cannot make a PNG of kind %d/%d", k->colour, k->depth);
    png_set_write_fn(png, &out, append, NULL);
    png_set_IHDR(png, info, W, H, k->depth, k->colour, k->interlaced, 0, 0);
    for (int i = 0; i < 256; i++) {
        palette[i] = (png_color) { (png_byte)(i * 5), (png_byte)(255 - i), (png_byte)(i * i) };
        alpha[i] = (png_byte)(i * 31);
    }
    if (k->colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 1 << k->depth);
    if (k->transparent) {
        png_color_16 key = { .red = (png_uint_16)sample(k, 0, 0, 0),
                             .green = (png_uint_16)sample(k, 0, 0, 1),
                             .blue = (png_uint_16)sample(k, 0, 0, 2),
                             .gray = (png_uint_16)sample(k, 0, 0, 0) };
        png_set_tRNS(png, info, alpha, k->colour == PNG_COLOR_TYPE_PALETTE ? 1 << k->depth : 1, &key);
    }
    png_set_gAMA(png, info, 0.3); /* is not applied */
    png_write_info(png, info);
    png_set_packing(png);
    int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < H; y++) {
            png_byte *to = row;
            for (int i = 0; i < W * channels; i++) {
                unsigned v = sample(k, i / channels, y, i % channels);
                if (k->depth == 16) *to++ = (png_byte)(v >> 8);
                *to++ = (png_byte)v;
            }
            png_write_row(png, row);
        }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return out;
}

static unsigned to_8(const kind *k, unsigned v) {
    return k->depth == 16 ? (v * 255 + 32895) >> 16 : v * 255 / ((1u << k->depth) - 1);
}

static void expected(const kind *k, int x, int y, uint8_t *rgb) {
    int channels = channels_of(k->colour);
    unsigned v[3], alpha = 255, raw[4];
    for (int c = 0; c < channels; c++) raw[c] = sample(k, x, y, c);
    if (k->colour == PNG_COLOR_TYPE_PALETTE) {
        unsigned i = raw[0];
        v[0] = (i * 5) & 255, v[1] = 255 - i, v[2] = (i * i) & 255;
        if (k->transparent) alpha = (i * 31) & 255;
    } else {
        int keyed = k->transparent;
        for (int c = 0; c < 3; c++) v[c] = to_8(k, raw[channels < 3 ? 0 : c]);
        for (int c = 0; c < channels; c++) keyed = keyed && raw[c] == sample(k, 0, 0, c);
        if (k->colour & PNG_COLOR_MASK_ALPHA) alpha = to_8(k, raw[channels - 1]);
        if (keyed) alpha = 0;
    }
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)((v[c] * alpha + 255 * (255 - alpha) + 127) / 255);
}

static void decodes_every_kind(void **state) {
    (void)state;
    static const int kinds[][2] = { { 0, 1 }, { 0, 2 }, { 0, 4 }, { 0, 8 }, { 0, 16 }, { 2, 8 }, { 2, 16 }, { 3, 1 },
                                    { 3, 2 }, { 3, 4 }, { 3, 8 }, { 4, 8 }, { 4, 16 }, { 6, 8 }, { 6, 16 } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds * 4; i++) {
        kind k = { kinds[i / 4][0], kinds[i / 4][1], i & 1, i >> 1 & 1 };
        if (k.transparent && k.colour & PNG_COLOR_MASK_ALPHA) continue; /* not allowed */
        df_buf file = make(&k);
        uint8_t *rgb, want[3];
        int width, height;
        df_err err;
        if (df_png_decode(&rgb, &width, &height, file.data, file.len, 100, &err))
            fail_msg("colour %d depth %d interlaced %d: %s", k.colour, k.depth, k.interlaced, err.text);
        assert_int_equal(width, W);
        assert_int_equal(height, H);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                expected(&k, x, y, want);
                const uint8_t *got = rgb + (y * W + x) * 3;
                if (memcmp(got, want, 3))
                    fail_msg("colour %d depth %d interlaced %d tRNS %d: (%d, %d) is %d %d %d, not %d %d %d", k.colour,
                             k.depth, k.interlaced, k.transparent, x, y, got[0], got[1], got[2], want[0], want[1],
                             want[2]);
            }
        free(rgb);
        df_buf_free(&file);
    }
}

static df_code decode_code(const void *png, size_t bytes, int max_side) {
    uint8_t *rgb = NULL;
    int width, height;
    df_err err;
    df_code rc = df_png_decode(&rgb, &width, &height, png, bytes, max_side, &err);
    if (rc) assert_null(rgb);
    free(rgb);
    return rc;
}

static void refuses_what_is_no_picture(void **state) {
    (void)state;
    df_buf file = make(&(kind) { PNG_COLOR_TYPE_RGB, 8, 1, 0 });
    for (size_t n = 0; n < file.len; n++) {
        char *exact = malloc(n ? n : 1); /* so that a sanitizer sees reads past the end */
        memcpy(exact, file.data, n);
        assert_int_equal(decode_code(exact, n, 100), DF_EFORMAT);
        free(exact);
    }
    assert_int_equal(decode_code(file.data, file.len, W), DF_OK);
    assert_int_equal(decode_code(file.data, file.len, W - 1), DF_ELIMIT);
    assert_int_equal(decode_code("not a PNG file at all", 21, 100), DF_EFORMAT);
    file.data[file.len / 2] ^= 1;
    assert_int_equal(decode_code(file.data, file.len, 100), DF_EFORMAT);
    df_buf_free(&file);
}

/* Sixty bytes that claim 30000 x 30000 pixels are refused before anything is allocated for them. */
static void refuses_a_bomb(void **state) {
    (void)state;
    df_buf file = make(&(kind) { PNG_COLOR_TYPE_RGB, 8, 0, 0 });
    unsigned char *ihdr = (unsigned char *)file.data + 12;
    static const unsigned char side[4] = { 0, 0, 30000 >> 8, 30000 & 255 };
    memcpy(ihdr + 4, side, 4);
    memcpy(ihdr + 8, side, 4);
    uint32_t crc = (uint32_t)crc32(0, ihdr, 17);
    for (int i = 0; i < 4; i++) ihdr[17 + i] = (unsigned char)(crc >> (24 - 8 * i));
    uint8_t *rgb;
    int width, height;
    df_err err;
    assert_int_equal(df_png_decode(&rgb, &width, &height, file.data, file.len, 32768, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "cannot hold a picture of 30000 x 30000"));
    df_buf_free(&file);
}

static void decodes_the_reference_pictures(void **state) {
    (void)state;
    char *file;
    size_t bytes;
    uint8_t *rgb;
    int width, height;
    df_err err;
    const char *path = golden_source_path("tests/golden/starter_reference/pictures/v000.png");
    assert_int_equal(df_file_read(path, 1 << 20, &file, &bytes, &err), DF_OK);
    assert_int_equal(df_png_decode(&rgb, &width, &height, file, bytes, 64, &err), DF_OK);
    assert_int_equal(width, 64);
    assert_int_equal(height, 64);
    char hex[DF_SHA256_HEX_BYTES];
    df_sha256_of(rgb, 64 * 64 * 3, hex);
    assert_string_equal(
        hex,
        "3bb0b1ed4dd8c756806f3333eb802848a3550edae8f113fbb29cb6f14c041c2a"); /* of the pixels, by another decoder */
    free(rgb);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(bytes_are_a_function_of_the_input),
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(reads_texts_of_other_programs),
        cmocka_unit_test(refuses_a_text_bomb),
        cmocka_unit_test(refuses_bad_texts_and_sizes),
        cmocka_unit_test(decodes_every_kind),
        cmocka_unit_test(refuses_what_is_no_picture),
        cmocka_unit_test(refuses_a_bomb),
        cmocka_unit_test(decodes_the_reference_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

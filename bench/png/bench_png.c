/* Times ways of packing a picture as PNG beside libpng at its fastest level, in turns, memory to memory, on one core.
 *
 *   bench_png WIDTHxHEIGHT FILE.rgb...      raw RGB, 8 bits
 *
 * A way: how rows are filtered, and what packs them. Prints one JSON line for each file and way: medians of RUNS,
 * bytes, and both as ratios to the first way, libpng with nothing set but level 1. Only "diffarm" is the whole encoder;
 * it is decoded and compared each time. */
#include <libdeflate.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "engine/image/png_filter.h"
#include "engine/image/png_io.h"

enum { RUNS = 15, MAX_SIDE = 16384 };

typedef struct picture {
    int width, height;
    size_t bytes;
    uint8_t *rgb;
    uint8_t *rows; /* room for them as the filters leave them */
    size_t rows_bytes;
    unsigned char *out; /* room for any way's file */
    size_t out_bytes, used;
} picture;

typedef struct way way;
typedef bool (*encode_fn)(picture *p, const way *w);

struct way {
    const char *name;
    encode_fn encode;
    int level, strategy, filters;
};

static void keep(png_structp png, png_bytep data, size_t n) {
    picture *p = png_get_io_ptr(png);
    if (n > p->out_bytes - p->used) png_error(png, "more bytes than pixels have");
    memcpy(p->out + p->used, data, n);
    p->used += n;
}

static void flush_nothing(png_structp png) {
    (void)png;
}

static bool by_libpng(picture *p, const way *w) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) return false;
    p->used = 0;
    png_set_write_fn(png, p, keep, flush_nothing);
    png_set_compression_level(png, w->level);
    if (w->strategy) png_set_compression_strategy(png, w->strategy);
    if (w->filters) png_set_filter(png, PNG_FILTER_TYPE_BASE, w->filters);
    png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, 8, PNG_COLOR_TYPE_RGB, 0, 0, 0);
    png_write_info(png, info);
    for (int y = 0; y < p->height; y++) png_write_row(png, p->rgb + (size_t)y * (size_t)p->width * 3);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}

/* Our filters; then zlib or libdeflate packs the rows in one piece. */

static bool by_zlib(picture *p, const way *w) {
    z_stream z = { 0 };
    if (df_png_filter(p->rows, p->rgb, p->width, p->height, NULL)) return false;
    if (deflateInit2(&z, w->level, Z_DEFLATED, 15, 9, w->strategy) != Z_OK) return false;
    z.next_in = p->rows;
    z.avail_in = (uInt)p->rows_bytes;
    z.next_out = p->out;
    z.avail_out = (uInt)p->out_bytes;
    bool whole = deflate(&z, Z_FINISH) == Z_STREAM_END;
    p->used = z.total_out;
    deflateEnd(&z);
    return whole;
}

static bool by_libdeflate(picture *p, const way *w) {
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(w->level);
    if (!c || df_png_filter(p->rows, p->rgb, p->width, p->height, NULL)) return false;
    p->used = libdeflate_zlib_compress(c, p->rows, p->rows_bytes, p->out, p->out_bytes);
    libdeflate_free_compressor(c);
    return p->used > 0;
}

static bool by_diffarm(picture *p, const way *w) {
    (void)w;
    unsigned char *png = NULL;
    if (df_png_encode(&png, &p->used, p->rgb, p->width, p->height, NULL, 0, NULL)) return false;
    memcpy(p->out, png, p->used);
    free(png);
    return true;
}

static const way ways[] = {
    { "libpng 1", by_libpng, 1, 0, 0 },
    { "libpng 1, all filters, runs", by_libpng, 1, Z_RLE, PNG_ALL_FILTERS },
    { "libpng 1, all filters, no matches", by_libpng, 1, Z_HUFFMAN_ONLY, PNG_ALL_FILTERS },
    { "libpng 1, up, runs", by_libpng, 1, Z_RLE, PNG_FILTER_UP },
    { "libpng 1, average, runs", by_libpng, 1, Z_RLE, PNG_FILTER_AVG },
    { "libpng 1, average, no matches", by_libpng, 1, Z_HUFFMAN_ONLY, PNG_FILTER_AVG },
    { "libpng 1, Paeth, runs", by_libpng, 1, Z_RLE, PNG_FILTER_PAETH },
    { "zlib 1, runs", by_zlib, 1, Z_RLE, 0 },
    { "zlib 1, no matches", by_zlib, 1, Z_HUFFMAN_ONLY, 0 },
    { "libdeflate 1", by_libdeflate, 1, 0, 0 },
    { "libdeflate 2", by_libdeflate, 2, 0, 0 },
    { "libdeflate 3", by_libdeflate, 3, 0, 0 },
    { "libdeflate 4", by_libdeflate, 4, 0, 0 },
    { "diffarm", by_diffarm, 0, 0, 0 },
};
enum { N_WAYS = sizeof ways / sizeof *ways };

static bool is_right(const picture *p) {
    uint8_t *back = NULL;
    int w, h;
    df_code rc = df_png_decode(&back, &w, &h, p->out, p->used, MAX_SIDE, NULL);
    bool right = !rc && w == p->width && h == p->height && !memcmp(back, p->rgb, p->bytes);
    free(back);
    return right;
}

static bool turn(picture *p, int64_t ns[N_WAYS], size_t bytes[N_WAYS]) {
    for (int i = 0; i < N_WAYS; i++) {
        int64_t start = df_clock_ns();
        bool done = ways[i].encode(p, &ways[i]);
        ns[i] = df_clock_ns() - start;
        bytes[i] = p->used;
        if (!done || (ways[i].encode == by_diffarm && !is_right(p))) {
            fprintf(stderr, "bench_png: '%s' does not write the picture\n", ways[i].name);
            return false;
        }
    }
    return true;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median_ms(int64_t ns[RUNS][N_WAYS], int i) {
    int64_t column[RUNS];
    for (int r = 0; r < RUNS; r++) column[r] = ns[r][i];
    qsort(column, RUNS, sizeof *column, by_value);
    return (double)column[RUNS / 2] * 1e-6;
}

static bool bench(picture *p, const char *path) {
    int64_t ns[RUNS][N_WAYS];
    size_t bytes[N_WAYS];
    for (int r = 0; r < RUNS; r++)
        if (!turn(p, ns[r], bytes)) return false;
    for (int i = 0; i < N_WAYS; i++)
        printf("{\"file\": \"%s\", \"way\": \"%s\", \"ms\": %.2f, \"time_ratio\": %.3f, \"bytes\": %zu, "
               "\"size_ratio\": %.3f}\n",
               path, ways[i].name, median_ms(ns, i), median_ms(ns, i) / median_ms(ns, 0), bytes[i],
               (double)bytes[i] / (double)bytes[0]);
    return true;
}

static bool bench_file(picture *p, const char *path) {
    FILE *f = fopen(path, "rb");
    bool read = f && fread(p->rgb, 1, p->bytes, f) == p->bytes;
    if (f) fclose(f);
    if (!read) fprintf(stderr, "bench_png: %s is no picture of %d x %d\n", path, p->width, p->height);
    return read && bench(p, path);
}

int main(int argc, char **argv) {
    picture p = { 0 };
    if (argc < 3 || sscanf(argv[1], "%dx%d", &p.width, &p.height) != 2 || p.width < 1 || p.height < 1 ||
        p.width > MAX_SIDE || p.height > MAX_SIDE) {
        fprintf(stderr, "usage: bench_png WIDTHxHEIGHT FILE.rgb...\n");
        return 2;
    }
    p.bytes = (size_t)p.width * (size_t)p.height * 3;
    p.rows_bytes = p.bytes + (size_t)p.height;
    p.out_bytes = 2 * p.rows_bytes + 65536;
    p.rgb = malloc(p.bytes);
    p.rows = malloc(p.rows_bytes);
    p.out = malloc(p.out_bytes);
    bool good = p.rgb && p.rows && p.out;
    for (int i = 2; good && i < argc; i++) good = bench_file(&p, argv[i]);
    free(p.rgb);
    free(p.rows);
    free(p.out);
    return good ? 0 : 1;
}

#include "engine/image/contact_sheet.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "engine/image/png_io.h"

enum { GAP = 4, MAX_SIDE = 16384, MAX_FILE_BYTES = 256 << 20, PAPER = 255 };

typedef struct picture {
    uint8_t *rgb;
    int width, height;
} picture;

static df_code read_picture(picture *p, const char *path, df_err *err) {
    char *file;
    size_t bytes;
    df_code rc = df_file_read(path, MAX_FILE_BYTES, &file, &bytes, err);
    if (rc) return rc;
    df_err inner;
    rc = df_png_decode(&p->rgb, &p->width, &p->height, file, bytes, MAX_SIDE, &inner);
    free(file);
    return rc ? df_err_set(err, rc, "%s: %s", path, inner.text) : DF_OK;
}

/* Averages blocks of factor x factor pixels, in place; a block at the right or lower edge may be cut. */
static void shrink(picture *p, int factor) {
    int width = (p->width + factor - 1) / factor, height = (p->height + factor - 1) / factor;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int x_end = (x + 1) * factor < p->width ? (x + 1) * factor : p->width;
            int y_end = (y + 1) * factor < p->height ? (y + 1) * factor : p->height;
            uint64_t sum[3] = { 0 }, n = (uint64_t)(x_end - x * factor) * (uint64_t)(y_end - y * factor);
            for (int v = y * factor; v < y_end; v++)
                for (int u = x * factor; u < x_end; u++)
                    for (int c = 0; c < 3; c++)
                        sum[c] += p->rgb[((size_t)v * (size_t)p->width + (size_t)u) * 3 + (size_t)c];
            for (int c = 0; c < 3; c++)
                p->rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = (uint8_t)((sum[c] + n / 2) / n);
        }
    p->width = width;
    p->height = height;
}

static void fit(picture *p, int max_cell) {
    int longer = p->width > p->height ? p->width : p->height;
    if (longer > max_cell) shrink(p, (longer + max_cell - 1) / max_cell);
}

typedef struct sheet {
    picture *pictures;
    int n, columns, rows;
    int cell_width, cell_height;
} sheet;

static df_code read_all(sheet *s, const char *const *paths, int max_cell, df_err *err) {
    for (int i = 0; i < s->n; i++) {
        picture *p = &s->pictures[i];
        df_code rc = read_picture(p, paths[i], err);
        if (rc) return rc;
        fit(p, max_cell);
        uint8_t *less = realloc(p->rgb, (size_t)p->width * (size_t)p->height * 3);
        if (less) p->rgb = less;
        if (p->width > s->cell_width) s->cell_width = p->width;
        if (p->height > s->cell_height) s->cell_height = p->height;
    }
    return DF_OK;
}

/* The smallest square that holds all. */
static int square_columns(int n) {
    int columns = 1;
    while ((int64_t)columns * columns < n) columns++;
    return columns;
}

/* Centred in its cell. */
static void paste(uint8_t *to, int64_t to_width, const sheet *s, int i) {
    const picture *p = &s->pictures[i];
    int64_t x = (int64_t)(i % s->columns) * (s->cell_width + GAP) + (s->cell_width - p->width) / 2;
    int64_t y = (int64_t)(i / s->columns) * (s->cell_height + GAP) + (s->cell_height - p->height) / 2;
    for (int v = 0; v < p->height; v++)
        memcpy(to + ((y + v) * to_width + x) * 3, p->rgb + (size_t)v * (size_t)p->width * 3, (size_t)p->width * 3);
}

static df_code write_sheet(const sheet *s, const char *path, df_err *err) {
    int64_t size[2] = { (int64_t)s->columns * (s->cell_width + GAP) - GAP,
                        (int64_t)s->rows * (s->cell_height + GAP) - GAP };
    size_t bytes, png_bytes;
    if (size[0] > MAX_SIDE || size[1] > MAX_SIDE || !df_size_of_dims(&bytes, size, 2, 3))
        return df_err_set(err, DF_ELIMIT, "%s: %lld x %lld pixels, at most %d a side; take smaller cells", path,
                          (long long)size[0], (long long)size[1], MAX_SIDE);
    uint8_t *rgb = malloc(bytes);
    unsigned char *png = NULL;
    if (!rgb) return df_err_set(err, DF_ENOMEM, "%s: %zu bytes of pixels", path, bytes);
    memset(rgb, PAPER, bytes);
    for (int i = 0; i < s->n; i++) paste(rgb, size[0], s, i);
    df_code rc = df_png_encode(&png, &png_bytes, rgb, (int)size[0], (int)size[1], NULL, 0, err);
    free(rgb);
    if (!rc) rc = df_file_write(path, png, png_bytes, err);
    free(png);
    return rc;
}

df_code df_contact_sheet_write(const char *out_path, const char *const *png_paths, int n, int columns, int max_cell,
                               df_err *err) {
    if (n < 1 || columns < 0 || max_cell < 1)
        return df_err_set(err, DF_EINVAL, "%s: %d pictures in %d columns, cells up to %d", out_path, n, columns,
                          max_cell);
    sheet s = { .n = n, .columns = columns ? columns : square_columns(n) };
    if (s.columns > n) s.columns = n;
    s.rows = (n - 1) / s.columns + 1;
    if (!(s.pictures = calloc((size_t)n, sizeof *s.pictures)))
        return df_err_set(err, DF_ENOMEM, "%s: a table of %d pictures", out_path, n);
    df_code rc = read_all(&s, png_paths, max_cell, err);
    if (!rc) rc = write_sheet(&s, out_path, err);
    for (int i = 0; i < n; i++) free(s.pictures[i].rgb);
    free(s.pictures);
    return rc;
}

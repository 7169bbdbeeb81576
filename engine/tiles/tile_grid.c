#include "engine/tiles/tile_grid.h"

static df_tile_axis axis_of(int length, int kept, int halo) {
    df_tile_axis a = { .length = length, .kept = kept < length ? kept : length };
    a.n = (length + a.kept - 1) / a.kept;
    a.tile = a.kept + 2 * halo < length ? a.kept + 2 * halo : length;
    return a;
}

df_tile_grid df_tile_grid_make(int height, int width, int kept, int halo) {
    return (df_tile_grid) { .y = axis_of(height, kept, halo), .x = axis_of(width, kept, halo), .halo = halo };
}

int df_tile_count(const df_tile_grid *g) {
    return g->y.n * g->x.n;
}

/* A tile that would reach over an end of the picture is moved back inside: it ends there itself, and has more than the
 * halo on its other side. */
static df_tile_span span_of(const df_tile_axis *a, int halo, int i) {
    df_tile_span s = { .kept = i * a->kept };
    s.n_kept = s.kept + a->kept < a->length ? a->kept : a->length - s.kept;
    s.first = s.kept - halo;
    if (s.first + a->tile > a->length) s.first = a->length - a->tile;
    if (s.first < 0) s.first = 0;
    return s;
}

void df_tile_at(const df_tile_grid *g, int i, df_tile_span *y, df_tile_span *x) {
    *y = span_of(&g->y, g->halo, i / g->x.n);
    *x = span_of(&g->x, g->halo, i % g->x.n);
}

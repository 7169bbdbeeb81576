/* A picture cut into tiles of one size. Each tile keeps a part of what it gives; the parts cover the picture without
 * overlap, and around its own each tile has `halo` pixels more of the picture, or ends where the picture does. */
#ifndef DF_ENGINE_TILES_TILE_GRID_H
#define DF_ENGINE_TILES_TILE_GRID_H

typedef struct df_tile_axis {
    int length, tile, kept, n; /* of the picture, of a tile with its halo, of what it keeps, tiles */
} df_tile_axis;

typedef struct df_tile_grid {
    df_tile_axis y, x;
    int halo;
} df_tile_grid;

typedef struct df_tile_span {
    int first; /* of the tile, in the picture */
    int kept, n_kept; /* of its own part, in the picture */
} df_tile_span;

/* kept: pixels a side that a tile keeps, at least 1. */
df_tile_grid df_tile_grid_make(int height, int width, int kept, int halo);
int df_tile_count(const df_tile_grid *g);
/* Tile i of y.n * x.n, row by row. */
void df_tile_at(const df_tile_grid *g, int i, df_tile_span *y, df_tile_span *x);

#endif

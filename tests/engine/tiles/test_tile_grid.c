#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/tiles/tile_grid.h"

enum { MAX = 64 };

/* Every pixel is kept once, from a tile that has the halo around it or ends with the picture. */
static void check(int height, int width, int kept, int halo) {
    unsigned char count[MAX][MAX] = { 0 };
    df_tile_grid g = df_tile_grid_make(height, width, kept, halo);
    for (int i = 0; i < df_tile_count(&g); i++) {
        df_tile_span s[2];
        const df_tile_axis *axis[2] = { &g.y, &g.x };
        df_tile_at(&g, i, &s[0], &s[1]);
        for (int k = 0; k < 2; k++) {
            int first = s[k].first, end = first + axis[k]->tile, kept_end = s[k].kept + s[k].n_kept;
            assert_true(first >= 0 && end <= axis[k]->length && s[k].n_kept >= 1);
            assert_true(first == 0 || s[k].kept - first >= halo);
            assert_true(end == axis[k]->length || end - kept_end >= halo);
        }
        for (int y = s[0].kept; y < s[0].kept + s[0].n_kept; y++)
            for (int x = s[1].kept; x < s[1].kept + s[1].n_kept; x++) count[y][x]++;
    }
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) assert_int_equal(count[y][x], 1);
}

static void tiles_cover_the_picture(void **state) {
    (void)state;
    for (int height = 1; height <= 33; height += 4)
        for (int width = 1; width <= 33; width += 8)
            for (int kept = 1; kept <= 40; kept += 6)
                for (int halo = 0; halo <= 5; halo++) check(height, width, kept, halo);
    check(MAX, MAX, 16, 4);
}

static void tiles_are_of_one_size(void **state) {
    (void)state;
    df_tile_grid g = df_tile_grid_make(50, 20, 16, 4);
    assert_int_equal(g.y.tile, 24);
    assert_int_equal(g.x.tile, 20); /* no more than there is */
    assert_int_equal(df_tile_count(&g), 4 * 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_cover_the_picture),
        cmocka_unit_test(tiles_are_of_one_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

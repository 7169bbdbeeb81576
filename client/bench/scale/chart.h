/* Charts as SVG: lines and marks over two axes, or stacked bars.
 *
 *   df_chart_line lines[] = { { .label = "measured", .colour = df_chart_colour(0), .x = x, .y = y, .n = 4 } };
 *   df_chart chart = { .title = "Throughput", .x_label = "ranks", .y_label = "pictures/s", .lines = lines, .n_lines = 1
 * }; df_chart_svg(&chart, &buf);     buf.failed: out of memory
 *
 * A white ground, text of 12 units and more, a legend below. Texts are escaped. Values that an axis cannot show (not
 * finite, not above 0 on a logarithmic one) are left out. Everything is borrowed. Threads: pure functions. */
#ifndef DF_CLIENT_BENCH_SCALE_CHART_H
#define DF_CLIENT_BENCH_SCALE_CHART_H

#include <stdbool.h>

#include "base/buf.h"

typedef enum df_chart_mark { DF_MARK_NONE, DF_MARK_DOT, DF_MARK_RING, DF_MARK_DIAMOND } df_chart_mark;

typedef struct df_chart_line {
    const char *label, *colour;
    const double *x, *y; /* [n] by x */
    const double *low, *high; /* [n] whiskers; NULL: none */
    int n;
    df_chart_mark mark;
    bool joined; /* by a line */
    bool thin;
    double dashed_from; /* the line is dashed beyond this x; 0: nowhere */
} df_chart_line;

typedef struct df_chart {
    const char *title, *subtitle, *x_label, *y_label;
    bool x_log, y_log; /* x by powers of two, y by powers of ten */
    double y_top; /* at least; 0: as the values are */
    double shaded_from; /* x beyond which the ground is shaded; 0: nowhere */
    const char *shade_label;
    double ruled_at; /* x with an upright line, and what it says; 0: none */
    const char *rule_label;
    const df_chart_line *lines;
    int n_lines;
} df_chart;

void df_chart_svg(const df_chart *c, df_buf *out);

/* Bars of shares, from the bottom up in the order of the parts. */
typedef struct df_bars {
    const char *title, *subtitle, *x_label, *y_label;
    const char *const *labels; /* [n_bars] below the bars */
    const char *const *parts; /* [n_parts] */
    const double *value; /* [n_bars][n_parts], 0..1, at most 1 together */
    int n_bars, n_parts;
} df_bars;

void df_bars_svg(const df_bars *b, df_buf *out);

const char *df_chart_colour(int i); /* of a few that differ for the colour-blind too (Okabe and Ito 2008) */

#endif

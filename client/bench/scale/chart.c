#include "client/bench/scale/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 860, LEFT = 84, RIGHT = 836, TOP = 66, BOTTOM = 372, LEGEND = 436, LEGEND_ROW = 20, LEGEND_COLUMNS = 3 };

/* An axis from `min` to `max` in units of the picture. */
typedef struct axis {
    double min, max;
    double from, to;
    bool log;
} axis;

const char *df_chart_colour(int i) {
    static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#777777" };
    return colours[i % 6];
}

static void put_text(df_buf *b, const char *text) {
    for (; *text; text++) switch (*text) {
        case '&': df_buf_puts(b, "&amp;"); break;
        case '<': df_buf_puts(b, "&lt;"); break;
        case '>': df_buf_puts(b, "&gt;"); break;
        case '"': df_buf_puts(b, "&quot;"); break;
        default: df_buf_add(b, text, 1);
        }
}

static void put_label(df_buf *b, double x, double y, const char *how, const char *text) {
    df_buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, how);
    put_text(b, text);
    df_buf_puts(b, "</text>\n");
}

static void put_rule(df_buf *b, double x1, double y1, double x2, double y2, const char *how) {
    df_buf_printf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2, how);
}

/* axes */

static bool fits(const axis *a, double v) {
    return isfinite(v) && (!a->log || v > 0);
}

static double at(const axis *a, double v) {
    double share = a->log ? log(v / a->min) / log(a->max / a->min) : (v - a->min) / (a->max - a->min);
    return a->from + share * (a->to - a->from);
}

static void include(axis *a, double v) {
    if (!fits(a, v)) return;
    if (v < a->min) a->min = v;
    if (v > a->max) a->max = v;
}

/* 1, 2 or 5 times a power of ten: the least that is no smaller. */
static double round_step(double v) {
    double ten = pow(10, floor(log10(v)));
    for (int k = 0; k < 3; k++) {
        double step = ten * (const double[]) { 1, 2, 5 }[k];
        if (step >= v * (1 - 1e-9)) return step;
    }
    return 10 * ten;
}

/* To whole steps of a linear axis, to a little room on a logarithmic one. */
static void settle(axis *a) {
    if (!(a->max >= a->min)) *a = (axis) { 1, 2, a->from, a->to, a->log }; /* there was nothing to show */
    if (a->log) {
        a->min /= 1.15;
        a->max *= 1.15;
        return;
    }
    if (!(a->max > a->min)) a->max = a->min + 1;
    double step = round_step((a->max - a->min) / 6);
    a->min = floor(a->min / step + 1e-9) * step;
    a->max = ceil(a->max / step - 1e-9) * step;
}

typedef struct ticks {
    double at[64];
    int n;
} ticks;

static void add_tick(ticks *t, const axis *a, double v) {
    if (t->n < 64 && v >= a->min * (1 - 1e-9) - 1e-12 && v <= a->max * (1 + 1e-9)) t->at[t->n++] = v;
}

static ticks ticks_of(const axis *a, bool twos) {
    ticks t = { .n = 0 };
    if (!a->log) {
        double step = round_step((a->max - a->min) / 6);
        for (int i = 0; i <= 12; i++) add_tick(&t, a, a->min + i * step);
    } else if (twos) {
        int every = log2(a->max / a->min) > 11 ? 2 : 1;
        for (int k = 0; k < 40; k += every) add_tick(&t, a, ldexp(1, k));
    } else {
        bool wide = log10(a->max / a->min) > 4;
        for (int k = -12; k < 12; k++)
            for (int m = 0; m < (wide ? 1 : 3); m++) add_tick(&t, a, pow(10, k) * (const double[]) { 1, 2, 5 }[m]);
    }
    return t;
}

static void put_axes(df_buf *b, const axis *x, const axis *y, const char *x_label, const char *y_label) {
    ticks tx = ticks_of(x, true), ty = ticks_of(y, false);
    char text[32];
    for (int i = 0; i < ty.n; i++) {
        double v = at(y, ty.at[i]);
        put_rule(b, LEFT, v, RIGHT, v, "stroke=\"#dddddd\"");
        snprintf(text, sizeof text, "%.4g", fabs(ty.at[i]) < 1e-12 ? 0 : ty.at[i]);
        put_label(b, LEFT - 8, v + 4, " text-anchor=\"end\"", text);
    }
    for (int i = 0; i < tx.n && x_label; i++) {
        double v = at(x, tx.at[i]);
        put_rule(b, v, BOTTOM, v, BOTTOM + 5, "stroke=\"#333333\"");
        snprintf(text, sizeof text, "%.6g", tx.at[i]);
        put_label(b, v, BOTTOM + 20, " text-anchor=\"middle\"", text);
    }
    put_rule(b, LEFT, BOTTOM, RIGHT, BOTTOM, "stroke=\"#333333\"");
    put_rule(b, LEFT, TOP, LEFT, BOTTOM, "stroke=\"#333333\"");
    df_buf_printf(b, "<g transform=\"translate(22,%d) rotate(-90)\">", (TOP + BOTTOM) / 2);
    put_label(b, 0, 0, " text-anchor=\"middle\" font-size=\"13\"", y_label);
    df_buf_puts(b, "</g>\n");
}

static void begin(df_buf *b, const char *title, const char *subtitle, const char *x_label, int n_legend) {
    int rows = (n_legend + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS, height = LEGEND + LEGEND_ROW * rows;
    df_buf_printf(b,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                  "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
                  WIDTH, height, WIDTH, height, WIDTH, height);
    put_label(b, LEFT, 26, " font-size=\"16\" font-weight=\"bold\"", title);
    put_label(b, LEFT, 46, " fill=\"#444444\"", subtitle);
    put_label(b, (LEFT + RIGHT) / 2.0, BOTTOM + 42, " text-anchor=\"middle\" font-size=\"13\"", x_label);
}

static void legend_place(int i, double *x, double *y) {
    *x = LEFT + (RIGHT - LEFT) / LEGEND_COLUMNS * (i % LEGEND_COLUMNS);
    *y = LEGEND + LEGEND_ROW * (i / LEGEND_COLUMNS);
}

/* lines */

static void put_mark(df_buf *b, df_chart_mark mark, double x, double y, const char *colour) {
    if (mark == DF_MARK_DOT) df_buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y, colour);
    if (mark == DF_MARK_RING)
        df_buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"white\" stroke=\"%s\" stroke-width=\"2\"/>\n",
                      x, y, colour);
    if (mark == DF_MARK_DIAMOND)
        df_buf_printf(b, "<path d=\"M%.1f %.1fl6 6l-6 6l-6 -6z\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n",
                      x, y - 6, colour);
}

static void put_path(df_buf *b, const df_chart_line *l, const axis *x, const axis *y, bool beyond) {
    bool first = true;
    df_buf_puts(b, "<polyline points=\"");
    for (int i = 0; i < l->n; i++) {
        bool in = !l->dashed_from || (beyond ? l->x[i] >= l->dashed_from : l->x[i] <= l->dashed_from);
        if (!in || !fits(x, l->x[i]) || !fits(y, l->y[i])) continue;
        df_buf_printf(b, "%s%.1f,%.1f", first ? "" : " ", at(x, l->x[i]), at(y, l->y[i]));
        first = false;
    }
    df_buf_printf(b, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s/>\n", l->colour, l->thin ? "1" : "2",
                  beyond ? " stroke-dasharray=\"6 4\"" : "");
}

static void put_whisker(df_buf *b, const df_chart_line *l, int i, const axis *x, const axis *y) {
    char how[64];
    if (!l->low || !fits(y, l->low[i]) || !fits(y, l->high[i])) return;
    snprintf(how, sizeof how, "stroke=\"%s\" stroke-width=\"1.5\"", l->colour);
    put_rule(b, at(x, l->x[i]), at(y, l->low[i]), at(x, l->x[i]), at(y, l->high[i]), how);
}

static void put_line(df_buf *b, const df_chart_line *l, const axis *x, const axis *y) {
    if (l->joined) put_path(b, l, x, y, false);
    if (l->joined && l->dashed_from) put_path(b, l, x, y, true);
    for (int i = 0; i < l->n; i++) {
        if (!fits(x, l->x[i]) || !fits(y, l->y[i])) continue;
        put_whisker(b, l, i, x, y);
        put_mark(b, l->mark, at(x, l->x[i]), at(y, l->y[i]), l->colour);
    }
}

static void put_legend(df_buf *b, const df_chart *c) {
    for (int i = 0; i < c->n_lines; i++) {
        const df_chart_line *l = &c->lines[i];
        double x, y;
        char how[64];
        legend_place(i, &x, &y);
        snprintf(how, sizeof how, "stroke=\"%s\" stroke-width=\"%s\"", l->colour, l->thin ? "1" : "2");
        if (l->joined) put_rule(b, x, y - 4, x + 24, y - 4, how);
        put_mark(b, l->mark, x + 12, y - 4, l->colour);
        put_label(b, x + 32, y, "", l->label);
    }
}

static void span_axes(const df_chart *c, axis *x, axis *y) {
    *x = (axis) { INFINITY, -INFINITY, LEFT, RIGHT, c->x_log };
    *y = (axis) { INFINITY, -INFINITY, BOTTOM, TOP, c->y_log };
    for (int k = 0; k < c->n_lines; k++)
        for (int i = 0; i < c->lines[k].n; i++) {
            const df_chart_line *l = &c->lines[k];
            include(x, l->x[i]);
            include(y, l->y[i]);
            if (l->low) include(y, l->low[i]);
            if (l->high) include(y, l->high[i]);
        }
    if (!y->log) include(y, 0);
    if (c->y_top > 0) include(y, c->y_top);
    settle(x);
    settle(y);
}

static void put_shade(df_buf *b, const df_chart *c, const axis *x) {
    if (!c->shaded_from || !(at(x, c->shaded_from) < RIGHT - 1)) return;
    double from = fmax(at(x, c->shaded_from), LEFT);
    df_buf_printf(b, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#f3f1e8\"/>\n", from, TOP,
                  RIGHT - from, BOTTOM - TOP);
    put_label(b, RIGHT, TOP - 6, " text-anchor=\"end\" fill=\"#7a6a2f\"", c->shade_label);
}

static void put_upright(df_buf *b, const df_chart *c, const axis *x) {
    if (!c->ruled_at) return;
    double v = at(x, c->ruled_at);
    if (v < LEFT || v > RIGHT) return;
    put_rule(b, v, TOP, v, BOTTOM, "stroke=\"#999999\" stroke-dasharray=\"2 3\"");
    put_label(b, v + 5, BOTTOM - 8, " fill=\"#555555\"", c->rule_label);
}

void df_chart_svg(const df_chart *c, df_buf *out) {
    axis x, y;
    span_axes(c, &x, &y);
    begin(out, c->title, c->subtitle, c->x_label, c->n_lines);
    put_shade(out, c, &x);
    put_upright(out, c, &x);
    put_axes(out, &x, &y, c->x_label, c->y_label);
    for (int i = 0; i < c->n_lines; i++) put_line(out, &c->lines[i], &x, &y);
    put_legend(out, c);
    df_buf_puts(out, "</svg>\n");
}

/* bars */

static void put_bar(df_buf *b, const df_bars *s, int bar, const axis *y) {
    double wide = (double)(RIGHT - LEFT) / s->n_bars, x = LEFT + wide * bar, low = 0;
    double width = fmin(wide * 0.7, 90), left = x + (wide - width) / 2;
    for (int k = 0; k < s->n_parts; k++) {
        double v = s->value[bar * s->n_parts + k], high = low + v;
        if (!isfinite(v) || v <= 0) continue;
        df_buf_printf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", left,
                      at(y, 100 * high), width, at(y, 100 * low) - at(y, 100 * high), df_chart_colour(k));
        char text[16];
        snprintf(text, sizeof text, "%.0f", 100 * v);
        if (v >= 0.06)
            put_label(b, left + width / 2, at(y, 50 * (low + high)) + 4, " text-anchor=\"middle\" fill=\"white\"",
                      text);
        low = high;
    }
    put_label(b, x + wide / 2, BOTTOM + 20, " text-anchor=\"middle\"", s->labels[bar]);
}

void df_bars_svg(const df_bars *s, df_buf *out) {
    const axis x = { 0, 1, LEFT, RIGHT, false }, y = { 0, 100, BOTTOM, TOP, false };
    begin(out, s->title, s->subtitle, s->x_label, s->n_parts);
    put_axes(out, &x, &y, NULL, s->y_label);
    for (int i = 0; i < s->n_bars; i++) put_bar(out, s, i, &y);
    for (int k = 0; k < s->n_parts; k++) {
        double lx, ly;
        legend_place(k, &lx, &ly);
        df_buf_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"12\" fill=\"%s\"/>\n", lx, ly - 10,
                      df_chart_colour(k));
        put_label(out, lx + 24, ly, "", s->parts[k]);
    }
    df_buf_puts(out, "</svg>\n");
}

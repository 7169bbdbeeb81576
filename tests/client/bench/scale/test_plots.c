/* Charts: well formed, inside their frame, with all that they should say; nothing that is no number gets in. */
#include "tests/client/bench/scale/some_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/scale/chart.h"
#include "client/bench/scale/report.h"

static int count(const char *text, const char *what) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

static void says(const df_buf *svg, const char *what) {
    if (!strstr(svg->data, what)) fail_msg("no '%s' in:\n%s", what, svg->data);
}

/* Every attribute of that name lies between the two. */
static void within(const char *svg, const char *attribute, double least, double most) {
    for (const char *at = svg; (at = strstr(at, attribute));) {
        double v = strtod(at += strlen(attribute), NULL);
        if (!(v >= least && v <= most)) fail_msg("%s%g is not in %g..%g", attribute, v, least, most);
    }
}

static void is_sound(const df_buf *svg) {
    assert_false(svg->failed);
    assert_int_equal(count(svg->data, "<svg "), 1);
    assert_int_equal(count(svg->data, "</svg>"), 1);
    assert_int_equal(count(svg->data, "<text "), count(svg->data, "</text>"));
    assert_int_equal(count(svg->data, "<g "), count(svg->data, "</g>"));
    assert_int_equal(count(svg->data, "<"), count(svg->data, ">"));
    assert_int_equal(count(svg->data, "nan") + count(svg->data, "inf"), 0);
    within(svg->data, " cx=\"", 84, 836);
    within(svg->data, " cy=\"", 66, 480);
    within(svg->data, " x1=\"", 79, 836);
    within(svg->data, " y2=\"", 66, 480);
}

static df_scale_analysis analysis_of(const df_scale_record *r) {
    df_scale_analysis a;
    df_err err = { 0 };
    if (df_scale_analysis_of(&a, r, NULL, NULL, &err)) fail_msg("%s", err.text);
    return a;
}

static void every_plot_says_what_it_shows(void **state) {
    (void)state;
    static const char *const titles[] = { "Throughput", "Efficiency", "Overhead of a picture",
                                          "What ranks did with their time" };
    df_err err = { 0 };
    df_scale_record r = some_record((int[]) { 1, 2, 4, 8, 16 }, 5);
    snprintf(r.setting.model, sizeof r.setting.model, "a<b & \"c\"");
    df_scale_analysis a = analysis_of(&r);
    for (int p = 0; p < DF_PLOTS; p++) {
        df_buf svg = { 0 };
        if (df_scale_plot_svg(&svg, (df_scale_plot)p, &r, &a, 1000, &err)) fail_msg("%s", err.text);
        is_sound(&svg);
        says(&svg, titles[p]);
        says(&svg, "strong scaling; a&lt;b &amp; &quot;c&quot;, 64x64, 25 steps, bf16; here, a processor, 64 cores");
        says(&svg, "fill=\"white\"/>");
        if (p != DF_PLOT_SHARES) {
            assert_int_equal(count(svg.data, "extrapolated, not measured"), p != DF_PLOT_OVERHEAD);
            assert_int_equal(count(svg.data, ">1024<"), p != DF_PLOT_OVERHEAD); /* on the axis of ranks */
            says(&svg, "held back from the fit, measured");
            says(&svg, "USL");
            says(&svg, "stroke-dasharray=\"6 4\"");
            assert_int_equal(count(svg.data, "all cores busy"), p != DF_PLOT_OVERHEAD); /* 64, beyond its axis */
            assert_int_equal(count(svg.data, "r=\"4\""), 4 + 1 + 2); /* dots, and two of the legend */
        }
        df_buf_free(&svg);
    }
    df_scale_analysis_free(&a);
    df_scale_record_free(&r);
}

static double number_after(const char *at, const char *what) {
    const char *found = strstr(at, what);
    if (!found) fail_msg("no '%s'", what);
    return strtod(found + strlen(what), NULL);
}

static const char *last_before(const char *text, const char *end, const char *what) {
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, what)) && at < end; at++) last = at;
    assert_non_null(last);
    return last;
}

/* The law is dashed from the point on that was held back; the smallest point has no overhead, and is the measure of
 * efficiency. */
static void what_is_drawn_is_where_it_belongs(void **state) {
    (void)state;
    df_err err = { 0 };
    df_scale_record r = some_record((int[]) { 1, 2, 4, 8, 16 }, 5);
    df_scale_analysis a = analysis_of(&r);
    const char *const base_at[DF_PLOT_SHARES] = {
        [DF_PLOT_EFFICIENCY] = ">100</text>", [DF_PLOT_OVERHEAD] = ">0</text>"
    };
    for (int p = 0; p < DF_PLOT_SHARES; p++) {
        df_buf svg = { 0 };
        assert_int_equal(df_scale_plot_svg(&svg, (df_scale_plot)p, &r, &a, 128, &err), DF_OK);
        const char *ring = last_before(svg.data, strstr(svg.data, "r=\"5\""), "<circle");
        const char *dashed = last_before(svg.data, strstr(svg.data, "stroke-dasharray=\"6 4\""), "<polyline");
        const char *dot = last_before(svg.data, strstr(svg.data, "r=\"4\""), "<circle");
        assert_true(fabs(number_after(ring, "cx=\"") - number_after(dashed, "points=\"")) < 0.11);
        if (base_at[p]) {
            const char *tick = last_before(svg.data, strstr(svg.data, base_at[p]), "<text"); /* 4 below its line */
            assert_true(fabs(number_after(dot, "cy=\"") + 4 - number_after(tick, " y=\"")) < 0.11);
        }
        df_buf_free(&svg);
    }
    df_scale_analysis_free(&a);
    df_scale_record_free(&r);
}

static void nothing_is_marked_that_is_not_there(void **state) {
    (void)state;
    df_err err = { 0 };
    df_scale_record r = some_record((int[]) { 3 }, 1), none = { .n_points = 0 };
    for (int i = 0; i < r.n_points; i++)
        for (int k = 0; k < r.points[i].n_runs; k++) r.points[i].run[k].traced = false;
    df_scale_analysis a = analysis_of(&r), b = analysis_of(&none);
    for (int p = 0; p < DF_PLOTS; p++) {
        df_buf svg = { 0 };
        assert_int_equal(df_scale_plot_svg(&svg, (df_scale_plot)p, &r, &a, 24, &err), DF_OK);
        if (p == DF_PLOT_SHARES)
            assert_int_equal(svg.len, 0);
        else {
            is_sound(&svg);
            assert_int_equal(count(svg.data, "extrapolated"), 0);
        }
        df_buf_free(&svg);
        assert_int_equal(df_scale_plot_svg(&svg, (df_scale_plot)p, &none, &b, 24, &err), DF_OK);
        assert_int_equal(svg.len, 0);
    }
    df_scale_analysis_free(&a);
    df_scale_analysis_free(&b);
    df_scale_record_free(&r);
}

/* A line with holes, one number, no number, negative ones; axes of either kind. */
static void odd_numbers_are_left_out(void **state) {
    (void)state;
    const double x[] = { 1, 2, 4, 8 }, odd[] = { 5, NAN, INFINITY, -3 }, none[] = { NAN, NAN, NAN, NAN };
    for (int kind = 0; kind < 8; kind++) {
        const df_chart_line lines[] = { { .label = "odd",
                                          .colour = "red",
                                          .x = x,
                                          .y = kind & 4 ? none : odd,
                                          .low = odd,
                                          .high = odd,
                                          .n = 4,
                                          .mark = DF_MARK_DOT,
                                          .joined = true } };
        const df_chart c = { .title = "t",
                             .subtitle = "s",
                             .x_label = "x",
                             .y_label = "y",
                             .x_log = kind & 1,
                             .y_log = kind & 2,
                             .lines = lines,
                             .n_lines = 1 };
        df_buf svg = { 0 };
        df_chart_svg(&c, &svg);
        is_sound(&svg);
        /* One in the legend; and 5, and -3 where the axis has such. */
        assert_int_equal(count(svg.data, "<circle"), kind & 4 ? 1 : kind & 2 ? 2 : 3);
        df_buf_free(&svg);
    }
}

static void bars_stand_on_each_other(void **state) {
    (void)state;
    const char *const labels[] = { "1 x 1", "2 x 1" }, *const parts[] = { "compute", "idle" };
    const double value[] = { 0.75, 0.25, 1, 0 };
    const df_bars b = { .title = "t",
                        .subtitle = "s",
                        .x_label = "x",
                        .y_label = "%",
                        .labels = labels,
                        .parts = parts,
                        .value = value,
                        .n_bars = 2,
                        .n_parts = 2 };
    df_buf svg = { 0 };
    df_bars_svg(&b, &svg);
    is_sound(&svg);
    says(&svg, "y=\"142.5\" width=\"90.0\" height=\"229.5\""); /* three quarters of 306 */
    says(&svg, "y=\"66.0\" width=\"90.0\" height=\"76.5\"");
    says(&svg, ">75</text>");
    assert_int_equal(count(svg.data, "<rect "), 1 + 3 + 2); /* the ground, bars without the empty one, the legend */
    df_buf_free(&svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plot_says_what_it_shows),
        cmocka_unit_test(what_is_drawn_is_where_it_belongs),
        cmocka_unit_test(nothing_is_marked_that_is_not_there),
        cmocka_unit_test(odd_numbers_are_left_out),
        cmocka_unit_test(bars_stand_on_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

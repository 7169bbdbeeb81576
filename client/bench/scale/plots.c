/* A scaling test as charts: what was measured as dots with whiskers from the least to the greatest run, what was held
 * back as a ring, the law as a line that is dashed where it extrapolates, what the simulator foretold as diamonds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/bench/scale/chart.h"
#include "client/bench/scale/report.h"

enum { SAMPLES = 64, MOST_LINES = 24, MOST_DEPTHS = 6, MOST_BEYOND = 20 };

/* What goes into a chart, and the memory behind it. */
typedef struct sheet {
    const df_scale_record *r;
    const df_scale_analysis *a;
    int extrapolate; /* workers */
    df_scale_plot plot;
    df_chart_line lines[MOST_LINES];
    char labels[MOST_LINES][96];
    int n_lines;
    double *room; /* [n_room], handed out by take */
    size_t n_room, n_taken;
} sheet;

const char *df_scale_plot_name(df_scale_plot p) {
    static const char *const names[DF_PLOTS] = { "throughput.svg", "efficiency.svg", "overhead.svg", "shares.svg" };
    return names[p];
}

static double *take(sheet *s, int n) {
    double *at = s->room + s->n_taken;
    s->n_taken += (size_t)n;
    return at;
}

/* What the plot shows of a rate at so many ranks. */
static double value_of(const sheet *s, double rate, double ranks) {
    const df_scale_figure *b = &s->a->at[s->a->base];
    switch (s->plot) {
    case DF_PLOT_EFFICIENCY: return 100 * rate / ranks / (b->rate / b->ranks);
    case DF_PLOT_OVERHEAD: return ranks / rate - b->ranks / b->rate;
    default: return rate;
    }
}

static df_chart_line *add_line(sheet *s, const char *label, int colour, int n) {
    if (s->n_lines == MOST_LINES) return NULL;
    df_chart_line *l = &s->lines[s->n_lines];
    snprintf(s->labels[s->n_lines], sizeof s->labels[0], "%s", label);
    *l = (df_chart_line) { .label = s->labels[s->n_lines++], .colour = df_chart_colour(colour), .n = n };
    return l;
}

/* Measured points of one depth, that were held back or were not. */
static bool is_of(const sheet *s, int i, int depth, bool held_back) {
    const df_scale_figure *f = &s->a->at[i];
    return f->measured && s->r->points[i].depth == depth && f->held_back == held_back;
}

static void add_measured(sheet *s, const char *label, int colour, int depth, bool held_back) {
    int n = 0;
    for (int i = 0; i < s->r->n_points; i++) n += is_of(s, i, depth, held_back);
    df_chart_line *l = n ? add_line(s, label, colour, n) : NULL;
    if (!l) return;
    double *x = take(s, n), *y = take(s, n), *low = take(s, n), *high = take(s, n);
    for (int i = 0, k = 0; i < s->r->n_points; i++) {
        if (!is_of(s, i, depth, held_back)) continue;
        const df_scale_figure *f = &s->a->at[i];
        x[k] = f->ranks;
        y[k] = value_of(s, f->rate, f->ranks);
        low[k] = value_of(s, f->least, f->ranks);
        high[k++] = value_of(s, f->most, f->ranks);
    }
    l->x = x;
    l->y = y;
    l->low = low;
    l->high = high;
    l->mark = held_back ? DF_MARK_RING : DF_MARK_DOT;
}

/* What the simulator and the law foretell: at the points, and beyond. */
static void add_foretold(sheet *s, const char *label, int colour, int depth) {
    int n = 0, most = df_scale_most_workers(s->a, s->r, depth);
    df_chart_line *l = add_line(s, label, colour, 0);
    if (!l) return;
    double *x = take(s, s->r->n_points + MOST_BEYOND), *y = take(s, s->r->n_points + MOST_BEYOND);
    for (int i = 0; i < s->r->n_points; i++) {
        const df_scale_figure *f = &s->a->at[i];
        if (s->r->points[i].depth != depth || !f->measured || !(f->modelled > 0)) continue;
        x[n] = f->ranks;
        y[n++] = value_of(s, f->modelled, f->ranks);
    }
    for (int w = 0, k = 0; k < MOST_BEYOND && (w = df_scale_beyond(s->a, s->r, depth, w, s->extrapolate)); k++) {
        x[n] = (double)w * depth;
        y[n] = value_of(s, df_scale_modelled(s->a, w, depth), x[n]);
        n++;
    }
    l->x = x;
    l->y = y;
    l->n = n;
    l->mark = DF_MARK_DIAMOND;
    l->joined = l->thin = true;
    l->dashed_from = (double)most * depth;
}

/* Workers of a sample: half of them are up to the most that was measured, which is one. */
static double sample_at(const sheet *s, int i) {
    double split = s->a->most_workers, share = 2.0 * i / SAMPLES;
    return share <= 1 ? pow(split, share) : split * pow(s->extrapolate / split, share - 1);
}

static void add_law(sheet *s, df_law law, int colour) {
    char label[96];
    int depth = s->a->base_depth;
    if (!s->a->has[law]) return;
    snprintf(label, sizeof label, "%s%s", df_law_name(law),
             s->extrapolate > s->a->most_workers ? "; dashed: extrapolated" : "");
    df_chart_line *l = add_line(s, label, colour, SAMPLES + 1);
    if (!l) return;
    double *x = take(s, SAMPLES + 1), *y = take(s, SAMPLES + 1);
    for (int i = 0; i <= SAMPLES; i++) {
        double n = sample_at(s, i);
        x[i] = n * depth;
        y[i] = value_of(s, df_scaling_rate(&s->a->law[law], n), x[i]);
    }
    l->x = x;
    l->y = y;
    l->joined = true;
    l->thin = law != s->a->drawn;
    l->dashed_from = s->a->most_workers * depth;
}

static void add_ideal(sheet *s) {
    const df_scale_figure *b = &s->a->at[s->a->base];
    df_chart_line *l = s->plot == DF_PLOT_THROUGHPUT ? add_line(s, "ideal: in proportion", 5, 2) : NULL;
    if (!l) return;
    double *x = take(s, 2), *y = take(s, 2);
    x[0] = b->ranks;
    x[1] = s->extrapolate * s->a->base_depth;
    for (int i = 0; i < 2; i++) y[i] = b->rate / b->ranks * x[i];
    l->x = x;
    l->y = y;
    l->joined = l->thin = true;
}

static void add_depth(sheet *s, int depth, int nth) {
    char label[96];
    bool base = depth == s->a->base_depth;
    if (!base && s->a->has[s->a->drawn]) {
        snprintf(label, sizeof label, "pipelines of %d, simulated", depth);
        add_foretold(s, label, nth + 1, depth);
    }
    snprintf(label, sizeof label, depth > 1 ? "pipelines of %d, measured" : "workers of %d rank, measured", depth);
    add_measured(s, label, base ? 0 : nth + 1, depth, false);
    if (base) add_measured(s, "held back from the fit, measured", 0, depth, true);
}

static void fill_sheet(sheet *s) {
    int nth = 0, last = 0;
    add_ideal(s);
    add_law(s, DF_LAW_AMDAHL, 4);
    add_law(s, DF_LAW_USL, 1);
    for (int i = 0; i < s->r->n_points; i++) {
        int depth = s->r->points[i].depth;
        if (!s->a->at[i].measured || depth == last || nth == MOST_DEPTHS) continue;
        add_depth(s, depth, nth++);
        last = depth;
    }
}

static void subtitle_of(const df_scale_record *r, char *out, size_t out_bytes) {
    const df_scale_setting *t = &r->setting;
    const df_scale_machine *m = &r->machine;
    char cores[64] = "";
    if (m->cores)
        snprintf(cores, sizeof cores, ", %d cores, %d thread%s a rank", m->cores, t->threads,
                 t->threads == 1 ? "" : "s");
    snprintf(out, out_bytes, "%s scaling; %s, %dx%d, %d steps, %s; %s%s%s%s", t->weak ? "weak" : "strong", t->model,
             t->width, t->height, t->steps, t->dtype, m->name, m->name[0] && m->cpu[0] ? ", " : "", m->cpu, cores);
}

/* Ranks that keep all cores busy; 0: not known. */
static double full_at(const df_scale_record *r) {
    return r->setting.threads ? (double)r->machine.cores / r->setting.threads : 0;
}

static df_code draw_lines(df_buf *out, sheet *s, const char *subtitle, df_err *err) {
    static const char *const titles[] = { "Throughput", "Efficiency", "Overhead of a picture" };
    static const char *const y_labels[] = { "pictures a second", "% of the smallest point's pace a rank",
                                            "rank-seconds beyond the smallest point" };
    s->n_room = (size_t)(s->r->n_points + MOST_BEYOND) * (4 * 2 + 2 * MOST_DEPTHS) + 8 * (SAMPLES + 1);
    if (!(s->room = calloc(s->n_room, sizeof *s->room)))
        return df_err_set(err, DF_ENOMEM, "a plot of %d points", s->r->n_points);
    fill_sheet(s);
    double far = 0;
    for (int i = 0; i < s->r->n_points; i++)
        if (s->a->at[i].measured) far = fmax(far, s->a->at[i].ranks);
    const df_chart chart = { .title = titles[s->plot],
                             .subtitle = subtitle,
                             .x_label = "ranks (workers x ranks of each)",
                             .y_label = y_labels[s->plot],
                             .x_log = true,
                             .y_log = s->plot == DF_PLOT_THROUGHPUT,
                             .y_top = s->plot == DF_PLOT_EFFICIENCY ? 100 : 0,
                             .shaded_from = s->a->has[s->a->drawn] && s->extrapolate > s->a->most_workers ? far : 0,
                             .shade_label = "extrapolated, not measured",
                             .ruled_at = full_at(s->r),
                             .rule_label = "all cores busy",
                             .lines = s->lines,
                             .n_lines = s->n_lines };
    df_chart_svg(&chart, out);
    free(s->room);
    return out->failed ? df_err_set(err, DF_ENOMEM, "a plot") : DF_OK;
}

static df_code draw_shares(df_buf *out, const sheet *s, const char *subtitle, df_err *err) {
    int n = 0, n_points = s->r->n_points;
    const char **labels = calloc((size_t)n_points + 1, sizeof *labels), *parts[DF_SCALE_SHARES];
    char(*texts)[32] = calloc((size_t)n_points + 1, sizeof *texts);
    double *value = calloc((size_t)n_points * DF_SCALE_SHARES + 1, sizeof *value);
    bool there = labels && texts && value;
    for (int i = 0; there && i < n_points; i++) {
        if (!s->a->at[i].traced) continue;
        snprintf(texts[n], sizeof texts[n], "%d x %d%s", s->r->points[i].workers, s->r->points[i].depth,
                 s->r->points[i].oversubscribed ? "*" : "");
        for (int k = 0; k < DF_SCALE_SHARES; k++) value[n * DF_SCALE_SHARES + k] = s->a->at[i].share[k];
        labels[n] = texts[n];
        n++;
    }
    for (int k = 0; k < DF_SCALE_SHARES; k++) parts[k] = df_scale_share_name((df_scale_share)k);
    const df_bars bars = { .title = "What ranks did with their time",
                           .subtitle = subtitle,
                           .x_label = "workers x ranks of each (* more threads than cores)",
                           .y_label = "% of ranks x seconds, measured",
                           .labels = labels,
                           .parts = parts,
                           .value = value,
                           .n_bars = n,
                           .n_parts = DF_SCALE_SHARES };
    if (there && n) df_bars_svg(&bars, out);
    free(labels);
    free(texts);
    free(value);
    return there && !out->failed ? DF_OK : df_err_set(err, DF_ENOMEM, "a plot of %d points", n_points);
}

df_code df_scale_plot_svg(df_buf *out, df_scale_plot p, const df_scale_record *r, const df_scale_analysis *a,
                          int extrapolate, df_err *err) {
    char subtitle[640];
    sheet *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "a plot");
    s->r = r;
    s->a = a;
    /* Overhead grows with the ranks: what lies beyond would leave no room for what was measured. */
    s->extrapolate = extrapolate > a->most_workers && p != DF_PLOT_OVERHEAD ? extrapolate : a->most_workers;
    s->plot = p;
    subtitle_of(r, subtitle, sizeof subtitle);
    df_code rc = DF_OK;
    if (p == DF_PLOT_SHARES)
        rc = draw_shares(out, s, subtitle, err);
    else if (a->base >= 0)
        rc = draw_lines(out, s, subtitle, err);
    free(s);
    return rc;
}

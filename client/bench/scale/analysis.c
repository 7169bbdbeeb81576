#include "client/bench/scale/analysis.h"

#include <math.h>
#include <stdlib.h>

#include "client/bench/median.h"

void df_scale_analysis_free(df_scale_analysis *a) {
    free(a->at);
    *a = (df_scale_analysis) { 0 };
}

double df_scale_error(double modelled, double measured) {
    return modelled / measured - 1;
}

/* Means over the runs that have a trace. */
static void mean_shares(df_scale_figure *f, const df_scale_point *p) {
    int n = 0;
    for (int i = 0; i < p->n_runs; i++) n += p->run[i].traced;
    f->traced = n > 0;
    for (int i = 0; i < p->n_runs; i++)
        for (int k = 0; k < DF_SCALE_SHARES && p->run[i].traced; k++) f->share[k] += p->run[i].share[k] / n;
}

static df_scale_figure figure_of(const df_scale_point *p) {
    double seconds[DF_SCALE_MOST_RUNS], steady[DF_SCALE_MOST_RUNS];
    df_scale_figure f = { .ranks = p->workers * p->depth, .measured = p->n_runs > 0, .others_share = -1 };
    if (!f.measured) return f;
    for (int i = 0; i < p->n_runs; i++) {
        seconds[i] = p->run[i].seconds;
        steady[i] = p->run[i].steady_rate;
        f.others_share = fmax(f.others_share, p->run[i].others_share);
    }
    f.seconds = df_median(seconds, p->n_runs); /* sorts them */
    f.steady_rate = df_median(steady, p->n_runs);
    f.rate = (double)p->pictures / f.seconds;
    f.least = (double)p->pictures / seconds[p->n_runs - 1];
    f.most = (double)p->pictures / seconds[0];
    mean_shares(&f, p);
    return f;
}

static void hold_against_base(df_scale_analysis *a, const df_scale_record *r) {
    a->base = -1;
    for (int i = 0; i < r->n_points; i++) {
        if (!a->at[i].measured) continue;
        if (!a->base_depth) a->base_depth = r->points[i].depth; /* points stand by depth */
        if (a->base < 0 || a->at[i].ranks < a->at[a->base].ranks) a->base = i;
    }
    for (int i = 0; i < r->n_points; i++) {
        df_scale_figure *f = &a->at[i];
        if (!f->measured) continue;
        const df_scale_figure *b = &a->at[a->base];
        f->efficiency = f->rate / f->ranks / (b->rate / b->ranks);
        f->overhead = f->ranks / f->rate - b->ranks / b->rate;
    }
}

/* Marks the points to be fitted; returns how many these are. */
static int choose_points(df_scale_analysis *a, const df_scale_record *r) {
    enum { ENOUGH = 4 }; /* three parameters, and one to hold back */
    int n = 0, alone = 0;
    for (int i = 0; i < r->n_points; i++)
        alone += a->at[i].measured && r->points[i].depth == a->base_depth && !r->points[i].oversubscribed;
    for (int i = 0; i < r->n_points; i++) {
        const df_scale_point *p = &r->points[i];
        if (!a->at[i].measured || p->depth != a->base_depth || (p->oversubscribed && alone >= ENOUGH)) continue;
        a->at[i].fitted = true;
        n++;
    }
    return n;
}

/* The last of the points that were chosen, if two others remain. */
static void hold_one_back(df_scale_analysis *a, const df_scale_record *r, int n_chosen) {
    a->held_back = -1;
    for (int i = 0; i < r->n_points && n_chosen > 2; i++)
        if (a->at[i].fitted) a->held_back = i;
    if (a->held_back < 0) return;
    a->at[a->held_back].fitted = false;
    a->at[a->held_back].held_back = true;
}

static df_code fit(df_scale_analysis *a, const df_scale_record *r, df_err *err) {
    df_scaling_point *points = calloc((size_t)r->n_points + 1, sizeof *points);
    int n = 0;
    if (!points) return df_err_set(err, DF_ENOMEM, "%d points", r->n_points);
    for (int i = 0; i < r->n_points; i++) {
        if (!a->at[i].fitted) continue;
        points[n++] = (df_scaling_point) { r->points[i].workers, a->at[i].rate };
        a->overfilled |= r->points[i].oversubscribed;
    }
    for (int law = DF_LAW_AMDAHL; law <= DF_LAW_USL; law++) {
        a->has[law] = !df_scaling_fit(&a->law[law], (df_law)law, points, n, NULL);
        if (a->has[law]) a->drawn = (df_law)law;
    }
    free(points);
    return DF_OK;
}

int df_scale_most_workers(const df_scale_analysis *a, const df_scale_record *r, int depth) {
    int most = 0; /* of one depth points stand by workers */
    for (int i = 0; i < r->n_points; i++)
        if (a->at[i].measured && r->points[i].depth == depth) most = r->points[i].workers;
    return most;
}

int df_scale_beyond(const df_scale_analysis *a, const df_scale_record *r, int depth, int before, int last) {
    int most = df_scale_most_workers(a, r, depth);
    int64_t next = 2 * (int64_t)(before ? before : most);
    if (!most || most >= last || before >= last || !(df_scale_modelled(a, last, depth) > 0)) return 0;
    return next < last ? (int)next : last;
}

double df_scale_modelled(const df_scale_analysis *a, int workers, int depth) {
    if (!a->has[a->drawn]) return 0;
    double rate = df_scaling_rate(&a->law[a->drawn], workers);
    if (depth == a->base_depth) return rate;
    return a->pace ? rate * a->pace(a->ctx, workers, depth, a->base_depth) : 0;
}

df_code df_scale_analysis_of(df_scale_analysis *out, const df_scale_record *r, df_scale_pace_fn pace, void *ctx,
                             df_err *err) {
    df_scale_analysis a = { .pace = pace, .ctx = ctx };
    if (!(a.at = calloc((size_t)r->n_points + 1, sizeof *a.at)))
        return df_err_set(err, DF_ENOMEM, "%d points", r->n_points);
    for (int i = 0; i < r->n_points; i++) a.at[i] = figure_of(&r->points[i]);
    hold_against_base(&a, r);
    a.most_workers = df_scale_most_workers(&a, r, a.base_depth);
    hold_one_back(&a, r, choose_points(&a, r));
    df_code rc = fit(&a, r, err);
    for (int i = 0; i < r->n_points && !rc; i++)
        a.at[i].modelled = df_scale_modelled(&a, r->points[i].workers, r->points[i].depth);
    if (rc)
        df_scale_analysis_free(&a);
    else
        *out = a;
    return rc;
}

#include "client/bench/scale/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* the file */

static json_t *number_or_null(double v) {
    return isfinite(v) && v > 0 ? json_real(v) : json_null();
}

static json_t *json_of_law(const df_scaling *s) {
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:o}", "law", df_law_name(s->law), "lambda", s->lambda, "sigma",
                     s->sigma, "kappa", s->kappa, "rms_relative_error", s->rms, "peak_workers",
                     number_or_null(df_scaling_peak(s)));
}

static json_t *json_of_held_back(const df_scale_record *r, const df_scale_analysis *a) {
    if (a->held_back < 0) return json_null();
    const df_scale_point *p = &r->points[a->held_back];
    double measured = a->at[a->held_back].rate;
    json_t *errors = json_object();
    for (int law = 0; law < 2; law++)
        if (a->has[law])
            json_object_set_new(errors, df_law_name((df_law)law),
                                json_real(df_scale_error(df_scaling_rate(&a->law[law], p->workers), measured)));
    return json_pack("{s:i, s:i, s:f, s:o}", "workers", p->workers, "pipeline", p->depth, "pictures_per_second",
                     measured, "relative_errors", errors);
}

static const char *kind_of_model(const df_scale_analysis *a, int depth) {
    return depth == a->base_depth ? df_law_name(a->drawn) : "simulated";
}

static json_t *json_of_figure(const df_scale_point *p, const df_scale_analysis *a, const df_scale_figure *f) {
    json_t *o = json_pack(
        "{s:i, s:i, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:b}", "workers", p->workers, "pipeline",
        p->depth, "ranks", f->ranks, "kind", "measured", "seconds", f->seconds, "pictures_per_second", f->rate, "least",
        f->least, "most", f->most, "steady_pictures_per_second", f->steady_rate, "efficiency", f->efficiency,
        "overhead_rank_seconds_per_picture", f->overhead, "fitted", f->fitted, "held_back", f->held_back);
    if (f->modelled > 0)
        json_object_set_new(o, "model",
                            json_pack("{s:s, s:f, s:f}", "kind", kind_of_model(a, p->depth), "pictures_per_second",
                                      f->modelled, "relative_error", df_scale_error(f->modelled, f->rate)));
    return o;
}

static void add_extrapolated(json_t *list, const df_scale_record *r, const df_scale_analysis *a, int depth, int last) {
    for (int n = 0; (n = df_scale_beyond(a, r, depth, n, last));)
        json_array_append_new(list,
                              json_pack("{s:i, s:i, s:i, s:s, s:s, s:f}", "workers", n, "pipeline", depth, "ranks",
                                        n * depth, "kind", "extrapolated", "model", kind_of_model(a, depth),
                                        "pictures_per_second", df_scale_modelled(a, n, depth)));
}

static json_t *json_of_analysis(const df_scale_record *r, const df_scale_analysis *a, int extrapolate) {
    json_t *laws = json_array(), *points = json_array(), *beyond = json_array();
    for (int law = 0; law < 2; law++)
        if (a->has[law]) json_array_append_new(laws, json_of_law(&a->law[law]));
    for (int i = 0; i < r->n_points; i++)
        if (a->at[i].measured) json_array_append_new(points, json_of_figure(&r->points[i], a, &a->at[i]));
    for (int i = 0; i < r->n_points; i++)
        if (!i || r->points[i].depth != r->points[i - 1].depth)
            add_extrapolated(beyond, r, a, r->points[i].depth, extrapolate);
    return json_pack("{s:i, s:b, s:o, s:o, s:o, s:o}", "base_pipeline", a->base_depth, "oversubscribed_points_fitted",
                     a->overfilled, "laws", laws, "held_back", json_of_held_back(r, a), "points", points,
                     "extrapolated", beyond);
}

json_t *df_scale_report_json(const df_scale_record *r, const df_scale_analysis *a, int extrapolate) {
    json_t *file = df_scale_record_json(r), *analysis = json_of_analysis(r, a, extrapolate);
    if (!file || !analysis || json_object_set(file, "analysis", analysis)) {
        json_decref(file);
        file = NULL;
    }
    json_decref(analysis);
    return file;
}

df_code df_scale_report_write(const df_scale_record *r, const df_scale_analysis *a, int extrapolate, const char *path,
                              df_err *err) {
    json_t *file = df_scale_report_json(r, a, extrapolate);
    char *text = file ? json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(file);
    if (!text) return df_err_set(err, DF_ENOMEM, "%s: %d points", path, r->n_points);
    df_code rc = df_file_write(path, text, strlen(text), err);
    free(text);
    return rc;
}

/* the table */

static void tell_setting(FILE *to, const df_scale_record *r) {
    const df_scale_setting *s = &r->setting;
    const df_scale_machine *m = &r->machine;
    fprintf(to, "%s scaling of %s, %dx%d, %d steps, %s; %s%s%s", s->weak ? "weak" : "strong", s->model, s->width,
            s->height, s->steps, s->dtype, m->name, m->name[0] && m->cpu[0] ? ", " : "", m->cpu);
    if (m->cores)
        fprintf(to, ", %d core%s, %d thread%s a rank", m->cores, m->cores == 1 ? "" : "s", s->threads,
                s->threads == 1 ? "" : "s");
    fprintf(to, "%s\n\n", s->slurm ? "; under Slurm" : "");
}

static void tell_shares(FILE *to, const df_scale_figure *f) {
    for (int k = 0; k < DF_SCALE_SHARES; k++)
        if (f->traced)
            fprintf(to, " %7.1f", 100 * f->share[k]);
        else
            fprintf(to, " %7s", "-");
}

static void tell_point(FILE *to, const df_scale_point *p, const df_scale_analysis *a, const df_scale_figure *f) {
    fprintf(to, "%7d x %-4d", p->workers, p->depth);
    if (!f->measured) {
        fprintf(to, "  not measured%s%s\n", p->failure[0] ? ": " : "", p->failure);
        return;
    }
    fprintf(to, "%9lld %9.4g %11.4g %6.1f %11.3g", (long long)p->pictures, f->seconds, f->rate, 100 * f->efficiency,
            f->overhead);
    tell_shares(to, f);
    if (f->modelled > 0)
        fprintf(to, "  %.4g %s%s (%+.1f %%)", f->modelled, kind_of_model(a, p->depth),
                f->held_back ? ", held back" : "", 100 * df_scale_error(f->modelled, f->rate));
    fprintf(to, "%s%s%s\n", p->oversubscribed ? "  *" : "", p->failure[0] ? "  last run failed: " : "", p->failure);
}

static void tell_law(FILE *to, const df_scale_record *r, const df_scale_analysis *a, const df_scaling *s) {
    double peak = df_scaling_peak(s);
    fprintf(to, "%-8s %.4g pictures/s a worker, sigma %.4f", df_law_name(s->law), s->lambda, s->sigma);
    if (s->law == DF_LAW_USL) fprintf(to, ", kappa %.3g", s->kappa);
    if (isfinite(peak)) fprintf(to, ", best with %.0f workers", peak);
    if (a->held_back >= 0)
        fprintf(to, "; error at the held back point (%d workers) %+.1f %%", r->points[a->held_back].workers,
                100 * df_scale_error(df_scaling_rate(s, r->points[a->held_back].workers), a->at[a->held_back].rate));
    fprintf(to, "\n");
}

static void tell_laws(FILE *to, const df_scale_record *r, const df_scale_analysis *a, int extrapolate) {
    fprintf(to, "\n");
    for (int law = 0; law < 2; law++)
        if (a->has[law]) tell_law(to, r, a, &a->law[law]);
    if (!a->has[DF_LAW_AMDAHL]) fprintf(to, "no law is fitted: that needs two numbers of workers\n");
    if (a->has[DF_LAW_AMDAHL] && a->held_back < 0)
        fprintf(to, "no point was held back (that needs three numbers of workers): the laws' error is not known\n");
    for (int n = 0; (n = df_scale_beyond(a, r, a->base_depth, n, extrapolate));)
        fprintf(to, "extrapolated, not measured: %d workers %.4g pictures/s (%s)\n", n,
                df_scale_modelled(a, n, a->base_depth), df_law_name(a->drawn));
    if (a->overfilled)
        fprintf(
            to,
            "The law is fitted to points marked * too: it tells of this machine overfilled, not of more machines.\n");
}

/* A share of a few percent is the system's own. */
static void tell_others(FILE *to, const df_scale_record *r, const df_scale_analysis *a) {
    double most = 0;
    for (int i = 0; i < r->n_points; i++) most = fmax(most, a->at[i].measured ? a->at[i].others_share : 0);
    if (most > 0.05)
        fprintf(to, "other programs took up to %.0f %% of the processors meanwhile: the machine was not quiet\n",
                100 * most);
}

static bool any_oversubscribed(const df_scale_record *r) {
    bool any = false;
    for (int i = 0; i < r->n_points; i++) any |= r->points[i].oversubscribed;
    return any;
}

void df_scale_report_table(FILE *to, const df_scale_record *r, const df_scale_analysis *a, int extrapolate) {
    tell_setting(to, r);
    fprintf(to, "%7s   %-4s%9s %9s %11s %6s %11s", "workers", "each", "pictures", "seconds", "pictures/s", "eff. %",
            "overhead s");
    for (int k = 0; k < DF_SCALE_SHARES; k++) fprintf(to, " %7s", df_scale_share_name((df_scale_share)k));
    fprintf(to, "  modelled\n");
    for (int i = 0; i < r->n_points; i++) tell_point(to, &r->points[i], a, &a->at[i]);
    if (any_oversubscribed(r)) fprintf(to, "* more threads than cores\n");
    tell_others(to, r, a);
    tell_laws(to, r, a, extrapolate);
}

#include "client/bench/scale/series.h"

#include <stdio.h>

#include "base/file.h"
#include "client/bench/scale/check.h"
#include "client/bench/scale/machine.h"
#include "client/bench/scale/report.h"
#include "client/exit_code.h"
#include "client/report.h"

/* Runs that a point still needs. */
static int missing_of(const df_scale_series *s, const df_scale_point *p) {
    const df_scale_options *o = s->options;
    bool wanted = false;
    for (int d = 0; d < o->depths.n; d++)
        for (int w = 0; w < o->workers.n; w++) wanted |= p->depth == o->depths.at[d] && p->workers == o->workers.at[w];
    return wanted && p->n_runs < o->repeats ? o->repeats - p->n_runs : 0;
}

int df_scale_series_missing(const df_scale_series *s) {
    int n = 0;
    for (int i = 0; i < s->record.n_points; i++) n += missing_of(s, &s->record.points[i]);
    return n;
}

static df_code add_points(df_scale_series *s, df_err *err) {
    const df_scale_options *o = s->options;
    for (int d = 0; d < o->depths.n; d++)
        for (int w = 0; w < o->workers.n; w++) {
            int workers = o->workers.at[w], depth = o->depths.at[d];
            df_scale_point *p = df_scale_record_point(&s->record, workers, depth, err);
            if (!p) return DF_ELIMIT;
            p->pictures = df_scale_pictures(o, workers, depth);
            p->oversubscribed = !o->slurm && workers * depth * o->threads > s->record.machine.cores;
            p->failure[0] = '\0'; /* it is tried again */
        }
    return DF_OK;
}

/* What there is already; what was not told goes on as it was. */
static df_code read_record(df_scale_series *s, df_scale_options *o, bool *there, df_err *err) {
    int n = snprintf(s->path, sizeof s->path, "%s/scale.json", o->out);
    if (n >= (int)sizeof s->path) return df_err_set(err, DF_ELIMIT, "%s: path too long", o->out);
    df_code rc = df_scale_record_read(&s->record, s->path, err);
    *there = !rc;
    if (rc && rc != DF_ENOTFOUND) return rc;
    df_scale_options_fill_in(o, s->record.setting.pictures, s->record.setting.threads);
    return DF_OK;
}

static df_code set_record(df_scale_series *s, const df_scale_setting *setting, bool there, df_err *err) {
    const df_scale_machine machine = df_scale_this_machine(s->options->machine, s->options->slurm);
    df_code rc = there ? df_scale_record_same(&s->record, &machine, setting, s->path, err) : DF_OK;
    if (rc) return rc;
    s->record.machine = machine;
    s->record.setting = *setting;
    s->foretell.cores = s->options->slurm ? 0 : (double)machine.cores / s->options->threads;
    return add_points(s, err);
}

bool df_scale_series_open(df_scale_series *s, df_scale_options *o, int *code) {
    df_err err;
    df_scale_setting setting;
    bool there = false;
    *s = (df_scale_series) { .options = o, .job = { .options = o } };
    df_code rc = read_record(s, o, &there, &err);
    *code = rc ? df_exit_with(&err) : df_scale_check(o, &setting, &s->foretell, &s->model, &s->job.prompts);
    if (!*code && set_record(s, &setting, there, &err)) *code = df_exit_with(&err);
    if (*code) df_scale_series_close(s);
    return !*code;
}

void df_scale_series_close(df_scale_series *s) {
    df_scale_record_free(&s->record);
    df_model_close(&s->model);
}

/* running */

/* Mean seconds of a run: of the point's own, else of all; 0: not known yet. */
static double expected_seconds(const df_scale_series *s, const df_scale_point *of) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < s->record.n_points; i++) {
        const df_scale_point *p = &s->record.points[i];
        for (int k = 0; k < p->n_runs && (p == of || !of->n_runs); k++, n++) sum += p->run[k].wall_seconds;
    }
    return n ? sum / n : 0;
}

static double seconds_left(const df_scale_series *s) {
    double left = 0;
    for (int i = 0; i < s->record.n_points; i++) {
        const df_scale_point *p = &s->record.points[i];
        if (!p->failure[0]) left += missing_of(s, p) * expected_seconds(s, p);
    }
    return left;
}

static bool is_quiet(const df_scale_series *s) {
    return s->options->output == DF_OUTPUT_QUIET;
}

static void tell_start(const df_scale_series *s, const df_scale_point *p, int nth, int of) {
    char eta[40] = "", left[32];
    double seconds = seconds_left(s);
    if (is_quiet(s)) return;
    if (seconds > 0) snprintf(eta, sizeof eta, ", ETA %s", df_report_duration(left, sizeof left, seconds));
    fprintf(stderr, "diffarm: run %d of %d: %d worker%s of %d rank%s, %lld pictures%s\n", nth, of, p->workers,
            p->workers == 1 ? "" : "s", p->depth, p->depth == 1 ? "" : "s", (long long)p->pictures, eta);
}

static void tell_end(const df_scale_series *s, const df_scale_point *p, df_code rc, const df_err *err) {
    if (rc)
        fprintf(stderr, "diffarm: %d x %d failed: %s\n", p->workers, p->depth, err->text);
    else if (!is_quiet(s))
        fprintf(stderr, "diffarm:   %.4g s, %.4g pictures/s\n", p->run[p->n_runs - 1].seconds,
                (double)p->pictures / p->run[p->n_runs - 1].seconds);
}

static df_code write_record(df_scale_series *s, df_err *err) {
    df_scale_analysis a;
    df_code rc = df_scale_analysis_of(&a, &s->record, df_foretell_pace, &s->foretell, err);
    if (rc) return rc;
    rc = df_scale_report_write(&s->record, &a, s->options->extrapolate, s->path, err);
    df_scale_analysis_free(&a);
    return rc;
}

/* One run of the point. Only what ends the test is an error. */
static df_code run_point(df_scale_series *s, df_scale_point *p, df_err *err) {
    df_err why = { 0 };
    df_code rc = df_scale_run_once(&p->run[p->n_runs], &s->job, p->workers, p->depth, p->pictures, p->n_runs + 1, &why);
    if (rc == DF_ECANCELLED) return df_err_set(err, rc, "%s", why.text);
    if (rc)
        snprintf(p->failure, sizeof p->failure, "%.500s", why.text);
    else
        p->n_runs++;
    s->n_failed += rc != DF_OK;
    tell_end(s, p, rc, &why);
    return write_record(s, err);
}

/* In turns, so that what changes on the machine meanwhile comes over all points alike. */
df_code df_scale_series_run(df_scale_series *s, df_err *err) {
    int nth = 0, of = df_scale_series_missing(s);
    df_code rc = df_file_mkdirs(s->options->out, err);
    s->job.stop = df_stop_on_signals();
    for (int round = 1; round <= s->options->repeats && !rc; round++)
        for (int i = 0; i < s->record.n_points && !rc; i++) {
            df_scale_point *p = &s->record.points[i];
            if (p->failure[0] || p->n_runs >= round || !missing_of(s, p)) continue;
            tell_start(s, p, ++nth, of);
            rc = run_point(s, p, err);
        }
    return rc;
}

void df_scale_series_dry_run(const df_scale_series *s) {
    printf("%d runs:\n", df_scale_series_missing(s));
    for (int i = 0; i < s->record.n_points; i++) {
        const df_scale_point *p = &s->record.points[i];
        int n = missing_of(s, p);
        if (!n) continue;
        printf("%d worker%s of %d rank%s, %lld pictures, %d time%s%s\n", p->workers, p->workers == 1 ? "" : "s",
               p->depth, p->depth == 1 ? "" : "s", (long long)p->pictures, n, n == 1 ? "" : "s",
               p->oversubscribed ? "; more threads than cores" : "");
        df_scale_command_print(stdout, &s->job, p->workers, p->depth);
    }
}

/* telling */

static df_code write_plot(const df_scale_series *s, const df_scale_analysis *a, df_scale_plot plot, df_err *err) {
    char path[PATH_MAX + 32];
    df_buf svg = { 0 };
    snprintf(path, sizeof path, "%s/%s", s->options->out, df_scale_plot_name(plot));
    df_code rc = df_scale_plot_svg(&svg, plot, &s->record, a, s->options->extrapolate, err);
    if (!rc && svg.len) rc = df_file_write(path, svg.data, svg.len, err);
    if (!rc && svg.len && s->options->output == DF_OUTPUT_TEXT) printf("%s\n", path);
    df_buf_free(&svg);
    return rc;
}

static df_code print_json(const df_scale_series *s, const df_scale_analysis *a, df_err *err) {
    json_t *file = df_scale_report_json(&s->record, a, s->options->extrapolate);
    if (!file) return df_err_set(err, DF_ENOMEM, "%d points", s->record.n_points);
    df_report_print_json(file);
    return DF_OK;
}

df_code df_scale_series_tell(df_scale_series *s, df_err *err) {
    df_scale_analysis a;
    df_code rc = df_scale_analysis_of(&a, &s->record, df_foretell_pace, &s->foretell, err);
    if (rc) return rc;
    rc = df_scale_report_write(&s->record, &a, s->options->extrapolate, s->path, err);
    if (s->options->output == DF_OUTPUT_TEXT) df_scale_report_table(stdout, &s->record, &a, s->options->extrapolate);
    if (s->options->output == DF_OUTPUT_TEXT) printf("\n%s\n", s->path);
    for (int p = 0; p < DF_PLOTS && !rc; p++) rc = write_plot(s, &a, (df_scale_plot)p, err);
    if (!rc && s->options->output == DF_OUTPUT_JSON) rc = print_json(s, &a, err);
    df_scale_analysis_free(&a);
    return rc;
}

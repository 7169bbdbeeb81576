#include "client/forward/report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number_or_null(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

static df_code report_json(const df_forward_options *o, const df_scheduler *sched, const df_forward_level *levels,
                           int width, int height, df_err *err) {
    json_t *timesteps = json_array(), *abars = json_array(), *snrs = json_array();
    for (int i = 0; i < o->steps; i++) {
        bool clean = levels[i].t == DF_FORWARD_CLEAN;
        json_array_append_new(timesteps, clean ? json_null() : json_integer(levels[i].t));
        json_array_append_new(abars, number_or_null((double)levels[i].abar));
        json_array_append_new(snrs, number_or_null(df_forward_snr(&levels[i])));
    }
    json_t *report = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:s, s:o, s:o, s:o}", "image", o->image, "model",
                               o->model, "strip", o->out, "scheduler", sched->name, "width", width, "height", height,
                               "seed", (json_int_t)o->seed, "noise", df_noise_kind_name(o->noise), "timesteps",
                               timesteps, "alpha_bar", abars, "snr", snrs);
    char *text = report ? json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(report);
    if (!text) return df_err_set(err, DF_EINVAL, "report: the names are no UTF-8, or memory is short");
    puts(text);
    free(text);
    return DF_OK;
}

static void report_text(const df_forward_options *o, const df_forward_level *levels, int width, int height) {
    printf("%s: %d pictures of %dx%d\n  timestep   alpha_bar         SNR\n", o->out, o->steps, width, height);
    for (int i = 0; i < o->steps; i++) {
        if (levels[i].t == DF_FORWARD_CLEAN)
            printf("     clean");
        else
            printf("%10d", levels[i].t);
        if (isfinite(levels[i].abar))
            printf("  %10.6f", (double)levels[i].abar);
        else
            printf("  %10s", "-");
        printf("  %10.4g\n", df_forward_snr(&levels[i]));
    }
}

df_code df_forward_report(const df_forward_options *o, const df_scheduler *sched, const df_forward_level *levels,
                          int width, int height, df_err *err) {
    if (o->output == DF_OUTPUT_JSON) return report_json(o, sched, levels, width, height, err);
    if (o->output == DF_OUTPUT_TEXT) report_text(o, levels, width, height);
    return DF_OK;
}

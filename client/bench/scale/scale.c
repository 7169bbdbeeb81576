#include "client/bench/scale/scale.h"

#include <stdio.h>

#include "client/bench/scale/series.h"
#include "client/exit_code.h"

static void tell_interrupted(int missing) {
    fprintf(stderr, "diffarm: interrupted; the same command goes on with the %d run%s missing\n", missing,
            missing == 1 ? " that is" : "s that are");
}

static int run_and_tell(df_scale_series *s) {
    df_err err;
    df_code rc = df_scale_series_run(s, &err);
    if (rc == DF_ECANCELLED)
        tell_interrupted(df_scale_series_missing(s));
    else if (rc)
        return df_exit_with(&err);
    if (df_scale_series_tell(s, &err)) return df_exit_with(&err);
    return rc || s->n_failed ? DF_EXIT_SOME_FAILED : DF_EXIT_OK;
}

int df_bench_scale(int argc, char **argv) {
    df_scale_options o;
    df_scale_series series;
    int code = DF_EXIT_OK;
    df_scale_options_parse(&o, argc, argv);
    if (!df_scale_series_open(&series, &o, &code)) return code;
    if (o.dry_run)
        df_scale_series_dry_run(&series);
    else
        code = run_and_tell(&series);
    df_scale_series_close(&series);
    return code;
}

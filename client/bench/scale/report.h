/* A scaling test told: as the file OUT/scale.json, as a table for people, as plots.
 *
 * What is measured and what is modelled or extrapolated is told apart everywhere: in the file by "kind", in the table
 * by its own lines, in plots by marks, dashes and shade. */
#ifndef DF_CLIENT_BENCH_SCALE_REPORT_H
#define DF_CLIENT_BENCH_SCALE_REPORT_H

#include <stdio.h>

#include "base/buf.h"
#include "client/bench/scale/analysis.h"

/* extrapolate: workers up to which modelled rates are listed and drawn. */

/* The record, and the analysis as "analysis". NULL when out of memory. */
json_t *df_scale_report_json(const df_scale_record *r, const df_scale_analysis *a, int extrapolate);

/* The same, into a file that appears whole. */
df_code df_scale_report_write(const df_scale_record *r, const df_scale_analysis *a, int extrapolate, const char *path,
                              df_err *err);

void df_scale_report_table(FILE *to, const df_scale_record *r, const df_scale_analysis *a, int extrapolate);

typedef enum df_scale_plot {
    DF_PLOT_THROUGHPUT,
    DF_PLOT_EFFICIENCY,
    DF_PLOT_OVERHEAD,
    DF_PLOT_SHARES,
    DF_PLOTS
} df_scale_plot;

const char *df_scale_plot_name(df_scale_plot p); /* "throughput.svg" */

/* Empty where nothing was measured (shares: traced). The overhead's ends where the measured points do. */
df_code df_scale_plot_svg(df_buf *out, df_scale_plot p, const df_scale_record *r, const df_scale_analysis *a,
                          int extrapolate, df_err *err);

#endif

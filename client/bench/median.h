/* What of several timed runs is reported. */
#ifndef DF_CLIENT_BENCH_MEDIAN_H
#define DF_CLIENT_BENCH_MEDIAN_H

double df_median(double *x, int n); /* n >= 1; sorts x */

#endif

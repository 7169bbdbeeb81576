#include "client/bench/median.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double df_median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return (x[n / 2] + x[(n - 1) / 2]) / 2;
}

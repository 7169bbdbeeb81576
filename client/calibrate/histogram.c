#include "client/calibrate/histogram.h"

#include <math.h>
#include <string.h>

#include "engine/backend/int8.h"

/* Twice the range. */
static void widen(df_histogram *h) {
    uint64_t old[DF_HISTOGRAM_BINS];
    memcpy(old, h->bins, sizeof old);
    memset(h->bins, 0, sizeof h->bins);
    for (int i = 0; i < DF_HISTOGRAM_BINS; i++) h->bins[DF_HISTOGRAM_BINS / 4 + i / 2] += old[i];
    h->limit *= 2;
}

static void add_one(df_histogram *h, float x) {
    double size = fabs((double)x);
    if (!isfinite(x)) return;
    h->n++;
    h->squares += size * size;
    if (x < h->low) h->low = x;
    if (x > h->high) h->high = x;
    if (h->limit == 0) h->limit = size > 0 ? exp2(floor(log2(size)) + 1) : 1;
    while (size >= h->limit) widen(h);
    h->bins[(int)(((double)x / h->limit + 1) * (DF_HISTOGRAM_BINS / 2))]++;
}

void df_histogram_add(df_histogram *h, df_dtype dtype, const void *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) add_one(h, (float)df_dtype_load(dtype, x, (size_t)i));
}

static df_int8 codes_of(double low, double high) {
    double scale = (high - low) / 255;
    return (df_int8) { .scale = (float)scale, .zero = (int32_t)lround(-low / scale) };
}

static double error_of(const df_histogram *h, df_int8 codes) {
    double width = 2 * h->limit / DF_HISTOGRAM_BINS, sum = 0;
    for (int i = 0; i < DF_HISTOGRAM_BINS; i++) {
        if (!h->bins[i]) continue;
        double x = (i + 0.5) * width - h->limit;
        double d = x - (double)(df_int8_code((float)x, codes) - codes.zero) * (double)codes.scale;
        sum += (double)h->bins[i] * d * d;
    }
    return sum;
}

typedef struct search {
    const df_histogram *h;
    double low, high, error; /* the best so far: shares of h->low and h->high */
} search;

static void try(search *s, double low, double high) {
    double error = error_of(s->h, codes_of(low * (double)s->h->low, high * (double)s->h->high));
    if (error < s->error) *s = (search) { s->h, low, high, error };
}

df_int8 df_histogram_codes(const df_histogram *h, double *noise) {
    enum { STEPS = 40, LEAST = 8 }; /* of the range: down to a fifth */
    *noise = 0;
    if (!(h->high > h->low)) return (df_int8) { 0 };
    search s = { h, 1, 1, HUGE_VAL };
    for (int i = STEPS; i >= LEAST; i--) try(&s, (double)i / STEPS, (double)i / STEPS);
    double high = s.high;
    for (int i = STEPS; i >= LEAST; i--) try(&s, (double)i / STEPS, high);
    double low = s.low;
    for (int i = STEPS; i >= LEAST; i--) try(&s, low, (double)i / STEPS);
    *noise = s.error / h->squares;
    return codes_of(s.low * (double)h->low, s.high * (double)h->high);
}

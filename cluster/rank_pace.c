#include "cluster/rank_pace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/halves.h"

enum { KEPT = 15, STEPS = 32 };

typedef struct stage_pace {
    double seconds[KEPT]; /* the latest, in no order */
    int n; /* noted so far */
} stage_pace;

struct df_rank_pace {
    int n_stages;
    stage_pace *of[DF_MOST_HALVES]; /* [n_stages] */
};

df_rank_pace *df_rank_pace_new(int n_stages) {
    df_rank_pace *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->n_stages = n_stages;
    for (int half = 0; p && half < DF_MOST_HALVES; half++)
        if (!(p->of[half] = calloc((size_t)n_stages, sizeof *p->of[half]))) df_rank_pace_free(&p);
    return p;
}

void df_rank_pace_free(df_rank_pace **p) {
    if (!*p) return;
    for (int half = 0; half < DF_MOST_HALVES; half++) free((*p)->of[half]);
    free(*p);
    *p = NULL;
}

void df_rank_pace_note(df_rank_pace *p, int half, int stage, double row_seconds) {
    stage_pace *s = &p->of[half][stage];
    s->seconds[s->n++ % KEPT] = row_seconds;
}

int df_rank_pace_passes(const df_rank_pace *p) {
    int least = p->of[0][0].n;
    for (int i = 1; i < p->n_stages; i++)
        if (p->of[0][i].n < least) least = p->of[0][i].n;
    return least;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const stage_pace *s) {
    double sorted[KEPT];
    int n = s->n < KEPT ? s->n : KEPT;
    if (!n) return 0;
    memcpy(sorted, s->seconds, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return (sorted[n / 2] + sorted[(n - 1) / 2]) / 2;
}

/* Planned seconds that the stage's ranks do in one; 0: it does nothing that shows. */
static double pace_of(const df_rank_pace *p, const double *planned, int stage) {
    double took = fmax(median(&p->of[0][stage]), median(&p->of[1][stage]));
    return planned[stage] > 0 && took > 0 ? planned[stage] / took : 0;
}

void df_rank_pace_speeds(const df_rank_pace *p, const double *planned, double *speed) {
    double fastest = 0;
    for (int i = 0; i < p->n_stages; i++) fastest = fmax(fastest, pace_of(p, planned, i));
    for (int i = 0; i < p->n_stages; i++) {
        double pace = pace_of(p, planned, i);
        if (pace > 0) speed[i] = fmax(1, round(pace / fastest * STEPS)) / STEPS;
    }
}

/* How fast ranks turn out to be: what their stages took in real passes, against what the plan says of them. A rank with
 * a slower core, fewer threads, or neighbours that use up the cache takes longer; with its speed known, the plan gives
 * it less.
 *
 *   df_rank_pace_note(p, rank, seconds);                     of a row, after each pass
 *   if (df_rank_pace_passes(p) == enough)
 *       df_rank_pace_speeds(p, planned, speed);              for df_plan_terms.speed
 *
 * Of the latest passes the median counts: a rank that was held up once is not slow. Threads: one owner. */
#ifndef DF_CLUSTER_RANK_PACE_H
#define DF_CLUSTER_RANK_PACE_H

#include <stdbool.h>

typedef struct df_rank_pace df_rank_pace;

df_rank_pace *df_rank_pace_new(int n_stages); /* NULL: no memory */
void df_rank_pace_free(df_rank_pace **p);

/* Several ranks may have one stage, as in two halves: the slower counts. */
void df_rank_pace_note(df_rank_pace *p, int half, int stage, double row_seconds);
int df_rank_pace_passes(const df_rank_pace *p); /* that every stage has been noted in */

/* planned [n_stages]: seconds of a row at speed 1. speed [n_stages]: of the fastest stage 1, the others' below, in
 * steps of 1/32, so that a little more or less makes no other plan. That of a stage without nodes stays as it is: it
 * may have none because it was slow. */
void df_rank_pace_speeds(const df_rank_pace *p, const double *planned, double *speed);

#endif

/* What the runs of a scaling test say together: medians, efficiency, overhead, a law through the points.
 *
 *   df_scale_analysis_of(&a, &record, pace, ctx, &err);   a.at[i] is of record.points[i]
 *   df_scale_modelled(&a, 1000, 1);                       by the law, measured or not
 *   df_scale_analysis_free(&a);
 *
 * The law is fitted to the points of the least pipeline depth, by workers; deeper pipelines are foretold from it by the
 * ratio of paces that `pace` tells (the simulator, foretell.h), and none of their points is fitted. The point of the
 * most workers is held back from the fit where enough others remain: the law's error there is that of an
 * extrapolation. Points with more threads than cores say how a machine is overfilled, not how a farm grows; they are
 * fitted only where there are too few others. Threads: pure functions, as far as `pace` is one. */
#ifndef DF_CLIENT_BENCH_SCALE_ANALYSIS_H
#define DF_CLIENT_BENCH_SCALE_ANALYSIS_H

#include "client/bench/scale/fit.h"
#include "client/bench/scale/record.h"

/* How many times the pace of so many pipelines of `base` ranks as many of `depth` ranks have; 0: not known. */
typedef double (*df_scale_pace_fn)(void *ctx, int workers, int depth, int base);

typedef struct df_scale_figure {
    int ranks; /* workers x depth */
    bool measured; /* has runs; else all below are 0 but `modelled` */
    double seconds, rate; /* medians; pictures a second */
    double least, most; /* of the rates */
    double steady_rate;
    double efficiency; /* rate a rank over that of the point with the fewest ranks */
    double overhead; /* seconds of a rank for a picture beyond those at that point */
    double others_share; /* the greatest of the runs; negative: not known */
    bool traced;
    double share[DF_SCALE_SHARES]; /* means */
    double modelled; /* rate by the law; 0: there is none */
    bool fitted, held_back;
} df_scale_figure;

typedef struct df_scale_analysis {
    df_scale_figure *at; /* [n_points] of the record */
    int base; /* point with the fewest ranks that was measured; -1: none was */
    int base_depth;
    bool has[2]; /* by df_law */
    df_scaling law[2];
    df_law drawn; /* USL where there is one; else Amdahl */
    int held_back; /* point; -1: too few for that */
    bool overfilled; /* points with more threads than cores are fitted as well */
    int most_workers; /* measured, of the base depth */
    df_scale_pace_fn pace; /* NULL: deeper pipelines are not foretold */
    void *ctx;
} df_scale_analysis;

/* Errors: DF_ENOMEM. Too few points leave `has` false. */
df_code df_scale_analysis_of(df_scale_analysis *out, const df_scale_record *r, df_scale_pace_fn pace, void *ctx,
                             df_err *err);
void df_scale_analysis_free(df_scale_analysis *a);

double df_scale_modelled(const df_scale_analysis *a, int workers, int depth); /* pictures a second; 0: no law */

/* Relative to what was measured. */
double df_scale_error(double modelled, double measured);

/* The most workers that were measured with pipelines of that depth; 0: none was. */
int df_scale_most_workers(const df_scale_analysis *a, const df_scale_record *r, int depth);

/* Where rates are extrapolated: twice as many workers as the most that were measured, twice as many again, ..., and
 * `last`. before 0: the first of them. 0: no more, or no law. */
int df_scale_beyond(const df_scale_analysis *a, const df_scale_record *r, int depth, int before, int last);

#endif

/* Options of `diffarm bench scale`. What follows `--` are options of `render`, checked by the caller and handed on as
 * they are. */
#ifndef DF_CLIENT_BENCH_SCALE_OPTIONS_H
#define DF_CLIENT_BENCH_SCALE_OPTIONS_H

#include "client/options.h"

enum { DF_SCALE_MOST_VALUES = 64 };

typedef struct df_scale_list {
    int at[DF_SCALE_MOST_VALUES]; /* [n] ascending, each once */
    int n;
} df_scale_list;

typedef struct df_scale_options {
    const char *model, *out;
    df_scale_list workers, depths;
    bool weak;
    int64_t pictures; /* in all; weak: for each rank. 0: a default */
    int repeats;
    int threads; /* of each rank; 0: the cores parted among the ranks of the largest point */
    int extrapolate; /* workers; 0: eight times the most */
    const char *machine; /* as the user calls it; "" */
    bool slurm;
    const char *time, *site; /* of slurm: walltime of a point; NULL: the program's own site.conf */
    bool dry_run;
    df_output output;
    char **render; /* borrowed from argv, n_render of them */
    int n_render;
} df_scale_options;

/* Ends the program with a usage error where they make no sense. argv[0] is "diffarm bench scale". */
void df_scale_options_parse(df_scale_options *o, int argc, char **argv);

/* What was not given: these, if above 0 (an earlier run had them), else defaults. */
void df_scale_options_fill_in(df_scale_options *o, int64_t pictures, int threads);

/* Pictures of a run with so many workers of so many ranks. */
int64_t df_scale_pictures(const df_scale_options *o, int workers, int depth);

#endif

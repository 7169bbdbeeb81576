/* How the ranks of a pipeline share a model, as options: --split and --optimize. */
#ifndef DF_CLIENT_SPLIT_OPTIONS_H
#define DF_CLIENT_SPLIT_OPTIONS_H

#include <argp.h>

#include "cluster/strategy.h"

typedef struct df_split_options {
    df_split split;
    df_strategy_aim aim;
} df_split_options;

/* Both options; its input is a df_split_options, zeros the default. */
extern const struct argp df_split_argp;

/* What one of them says, else argp_error. */
df_split df_split_option(struct argp_state *state, const char *arg);
df_strategy_aim df_aim_option(struct argp_state *state, const char *arg);

/* "--split cfg" with an odd number of ranks is none: prints that, and returns false. n_ranks 0: not known. */
bool df_split_check(const df_split_options *o, int n_ranks);

/* As the options spell them. */
const char *df_split_name(df_split s); /* DF_SPLIT_BEST: NULL, it has no name */
const char *df_aim_name(df_strategy_aim aim);

#endif

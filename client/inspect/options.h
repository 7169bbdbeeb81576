/* The command line of `diffarm inspect`. */
#ifndef DF_CLIENT_INSPECT_OPTIONS_H
#define DF_CLIENT_INSPECT_OPTIONS_H

#include <stdbool.h>

#include "client/plan_options.h"
#include "cluster/strategy.h"

typedef struct df_inspect_options {
    const char *config_dir; /* of a model in one file; NULL: none */
    const char *model;
    int pipeline; /* ranks to plan for; 0: no plan */
    int ranks; /* there are in all; 0: not given */
    df_strategy_aim aim;
    df_plan_options plan;
    int width, height; /* pixels; 0: the model's */
    bool json, hash, values, no_t5;
} df_inspect_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_inspect_options_parse(df_inspect_options *o, int argc, char **argv);

#endif

/* Options of `diffarm simulate pipeline`. */
#ifndef DF_CLIENT_SIMULATE_PIPELINE_OPTIONS_H
#define DF_CLIENT_SIMULATE_PIPELINE_OPTIONS_H

#include "client/options.h"
#include "client/plan_options.h"

typedef struct df_simulate_options {
    const char *model, *config_dir, *costs; /* model, or costs */
    const char *trace, *save_costs; /* NULL: none */
    int pipeline, replicas;
    int width, height; /* 0: the model's */
    int rows; /* pictures; 0: three times as many as are in flight */
    double cores; /* that all ranks share; 0: one each */
    int64_t eager_bytes;
    df_plan_options plan;
    df_output output;
} df_simulate_options;

void df_simulate_options_parse(df_simulate_options *o, int argc, char **argv);

#endif

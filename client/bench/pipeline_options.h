/* The command line of `diffarm bench pipeline`. */
#ifndef DF_CLIENT_BENCH_PIPELINE_OPTIONS_H
#define DF_CLIENT_BENCH_PIPELINE_OPTIONS_H

#include "client/costs_options.h"
#include "client/options.h"
#include "engine/backend/backend.h"

typedef struct df_bench_pipeline_options {
    const char *model;
    const char *trace; /* NULL: none */
    int ranks, micro_batch, runs, passes, slots;
    int n_halves; /* of the pipeline's ranks */
    int width, height; /* of the picture; 0: the model's */
    df_backend_cfg backend_cfg;
    df_costs_options costs;
    df_output output;
} df_bench_pipeline_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_bench_pipeline_options_parse(df_bench_pipeline_options *o, int argc, char **argv);

#endif

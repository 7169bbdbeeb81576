/* The command line of `diffarm calibrate`. */
#ifndef DF_CLIENT_CALIBRATE_OPTIONS_H
#define DF_CLIENT_CALIBRATE_OPTIONS_H

#include <limits.h>

#include "client/options.h"

typedef struct df_calibrate_options {
    const char *model, *config_dir, *prompts; /* NULL where not given */
    const char *out;
    char beside[PATH_MAX]; /* where out goes if it is not given */
    bool no_t5;
    int steps, width, height, threads; /* 0: the model's size, all cores */
    int64_t seed;
    double guidance, min_snr_db;
    const char *dtype; /* of the run that is watched: f32 or bf16 */
    df_output output;
} df_calibrate_options;

void df_calibrate_options_parse(df_calibrate_options *o, int argc, char **argv);

#endif

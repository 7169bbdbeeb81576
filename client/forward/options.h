/* The command line of `diffarm forward`. */
#ifndef DF_CLIENT_FORWARD_OPTIONS_H
#define DF_CLIENT_FORWARD_OPTIONS_H

#include <stdint.h>

#include "client/options.h"
#include "engine/noise/noise.h"

enum { DF_FORWARD_DEFAULT_STEPS = 8, DF_FORWARD_MAX_STEPS = 64 };

typedef struct df_forward_options {
    const char *image, *model, *out;
    const char *config_dir; /* of a model in one file; NULL: none */
    const char *scheduler; /* FILE.json, or a name as in a manifest; NULL: the model's own */
    int steps; /* pictures on the strip */
    int64_t seed;
    df_noise_kind noise;
    int threads; /* 0: all cores */
    df_output output;
} df_forward_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_forward_options_parse(df_forward_options *o, int argc, char **argv);

#endif

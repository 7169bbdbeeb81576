/* The command line of `diffarm bench`. */
#ifndef DF_CLIENT_BENCH_OPTIONS_H
#define DF_CLIENT_BENCH_OPTIONS_H

#include "client/options.h"
#include "engine/backend/backend.h"
#include "engine/models/model.h"

typedef struct df_bench_options {
    const char *what; /* as given: "text", "unet", "transformer", "vae" */
    df_component component;
    const char *model, *config_dir;
    int batch, runs;
    int width, height; /* of the picture; 0: the model's */
    bool in_turns; /* each run waits for a line on standard input */
    bool ops; /* also tell the time of each operation */
    const char *backend_name;
    const df_backend *backend; /* the command looks it up: NULL so far */
    df_backend_cfg backend_cfg;
    const char *int8_scales; /* NULL: not given */
    df_output output;
} df_bench_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_bench_options_parse(df_bench_options *o, int argc, char **argv);

#endif

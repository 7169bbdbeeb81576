/* The command line of `diffarm bench gpu`. */
#ifndef DF_CLIENT_BENCH_GPU_OPTIONS_H
#define DF_CLIENT_BENCH_GPU_OPTIONS_H

#include "client/bench/gpu/types.h"
#include "client/options.h"
#include "engine/backend/backend.h"

enum { DF_GPU_MOST_MODELS = 16 };

typedef enum df_gpu_part { DF_GPU_PICTURES, DF_GPU_STEP, DF_GPU_OPS, DF_GPU_PARTS } df_gpu_part;

const char *df_gpu_part_name(df_gpu_part p); /* "pictures", "step", "ops" */

typedef struct df_gpu_options {
    const char *model[DF_GPU_MOST_MODELS]; /* [n_models] a standard one's name, or a folder with weights */
    int n_models;
    const char *report; /* path of the report without its ending; NULL: a dry run */
    const char *configs; /* folder of the standard models' configs; NULL: where the program's source has them */
    const char *backend, *dtype_name;
    df_backend_cfg backend_cfg;
    bool part[DF_GPU_PARTS];
    int width, height, steps; /* 0: the model's standard setting */
    int micro_batch, pictures; /* pictures 0: four micro-batches */
    df_gpu_peak peak; /* as told; zeros: by the table */
    bool dry_run;
    df_output output;
} df_gpu_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_gpu_options_parse(df_gpu_options *o, int argc, char **argv);

#endif

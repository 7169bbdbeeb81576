/* What `diffarm bench gpu` measures: models at their settings, and the items of each.
 *
 *   df_suite_open(&s, &options, &err);
 *   s->item[i].seconds = ...
 *   df_suite_close(&s);
 *
 * An item is a picture's whole way, one evaluation of the denoiser for a guided micro-batch, or one operation by itself
 * with the shapes that it has in the denoiser or the decoder. Its work comes from the model's own graphs. */
#ifndef DF_CLIENT_BENCH_GPU_SUITE_H
#define DF_CLIENT_BENCH_GPU_SUITE_H

#include "client/bench/gpu/options.h"
#include "client/bench/shapes.h"
#include "engine/models/model.h"

typedef struct df_gpu_model {
    char name[64]; /* "sdxl", or the folder's own */
    df_model *model;
    bool invented; /* random weights */
    int width, height, steps, calls; /* calls: evaluations of the denoiser for one picture */
    double guidance;
    df_graph *graph[DF_COMPONENT_COUNT]; /* at that size; NULL: it has no such part, or the picture does not need it */
} df_gpu_model;

enum { DF_GPU_COMPONENT_BYTES = 32, DF_GPU_FAILURE_BYTES = 320 };

typedef struct df_gpu_item {
    int model; /* index */
    df_gpu_part part;
    char component[DF_GPU_COMPONENT_BYTES]; /* "unet", "vae_decoder"; "" of pictures */
    char name[DF_SHAPE_NAME_BYTES]; /* of an operation; else "" */
    df_component of; /* step, operations */
    int node; /* of an operation, in that graph */
    int nodes; /* there are so many like it */
    int64_t rows; /* that run together; pictures: of a micro-batch */
    df_node_work work; /* of an operation, one row */
    double flops, bytes; /* of one run with all rows; of one picture */
    double seconds; /* measured, of the same; 0: not yet */
    char failure[DF_GPU_FAILURE_BYTES]; /* of this run of the program; "": none */
} df_gpu_item;

typedef struct df_suite {
    df_gpu_model model[DF_GPU_MOST_MODELS];
    int n_models;
    df_gpu_item *item; /* [n_items] pictures and steps of all models first */
    int n_items;
    df_dtype dtype;
} df_suite;

df_code df_suite_open(df_suite **out, const df_gpu_options *o, df_err *err);
void df_suite_close(df_suite **s);

/* The least time of the item on such a device: of one run, or of one picture. */
double df_suite_expected(const df_suite *s, const df_gpu_item *item, const df_gpu_peak *peak);

#endif

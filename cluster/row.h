/* One image on its way: its sampler, noise, latents and prompts. Rows never share state.
 *
 * Latents are kept as PyTorch does, [C][H][W] f32, because noise is drawn in that order; the model takes [H][W][C] in
 * its activation type. */
#ifndef DF_CLUSTER_ROW_H
#define DF_CLUSTER_ROW_H

#include "cluster/prompt_cache.h"
#include "cluster/renderer.h"
#include "engine/samplers/sampler.h"

typedef enum df_row_state { DF_ROW_READY, DF_ROW_IN_FLIGHT, DF_ROW_TO_DECODE, DF_ROW_DECODING } df_row_state;

typedef struct df_row {
    struct df_row *next;
    uint64_t id;
    df_row_state state;
    bool cancelled;
    int channels, latent_h, latent_w;
    size_t n_elements; /* channels * latent_h * latent_w */
    double guidance;
    int n_model_rows; /* 1, or 2: unconditional, then conditional */
    df_prompt *cond, *uncond; /* uncond NULL without guidance */
    df_sampler *sampler;
    df_noise *noise;
    int call; /* next model evaluation */
    float *latents; /* [n_elements] */
    float *work; /* [2][n_elements] */
    int64_t started_ns; /* first step, 0 before */
} df_row;

/* Checks the request against the model; takes its prompts from the cache. */
df_code df_row_new(df_row **out, const df_model *model, df_prompt_cache *cache, uint64_t id, const df_request *request,
                   df_err *err);
void df_row_free(df_row **row, df_prompt_cache *cache);

/* Both prompts encoded? *failure: the reason if one of them cannot be, else NULL. */
bool df_row_has_text(const df_row *row, const df_err **failure);

/* Fills the row's n_model_rows rows of the U-Net's inputs; each pointer is at the row's first. */
void df_row_write_input(df_row *row, void *sample, void *timestep, void *text, size_t text_bytes, df_dtype dtype);
/* Takes the model's output for these rows: guidance, then a step of the sampler. DF_ENUMERIC if it is not finite. */
df_code df_row_take_output(df_row *row, const void *out, df_dtype dtype, df_err *err);
bool df_row_is_sampled(const df_row *row);
/* The decoder's input, one row. */
void df_row_write_latents(df_row *row, double scaling_factor, void *z, df_dtype dtype);

#endif

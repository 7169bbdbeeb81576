/* One image on its way: its walk, noise and prompts. Rows never share state.
 *
 * A walk has its numbers as PyTorch has them, [C][H][W] f32; the model takes [H][W][C] in its activation type. */
#ifndef DF_CLUSTER_ROW_H
#define DF_CLUSTER_ROW_H

#include "cluster/prompt_cache.h"
#include "cluster/renderer.h"
#include "cluster/row_text.h"
#include "engine/sampling/walk.h"

/* What a row waits for, and what it is in. */
typedef enum df_row_state {
    DF_ROW_TO_ENCODE,
    DF_ROW_ENCODING,
    DF_ROW_READY, /* for a step */
    DF_ROW_IN_FLIGHT,
    DF_ROW_TO_DECODE,
    DF_ROW_DECODING
} df_row_state;

typedef struct df_row {
    struct df_row *next;
    uint64_t id;
    const df_model *model; /* borrowed */
    df_row_state state;
    bool cancelled;
    int latent_h, latent_w;
    bool in_tiles; /* too large to be decoded at once */
    int n_model_rows; /* 1, or 2: unconditional, then conditional */
    df_row_text *cond, *uncond; /* of equal length; NULL where there is none; the model's text is then zeros */
    int class_label, noise_level;
    df_noise *noise;
    df_walk *walk;
    float *work; /* one row of the denoiser's input, or both of its output */
    int64_t started_ns; /* first run of a component, 0 before */
} df_row;

/* Checks the request against the model; takes its prompts from the cache. dtype: of their states. */
df_code df_row_new(df_row **out, const df_model *model, df_prompt_cache *cache, df_dtype dtype, uint64_t id,
                   const df_request *request, df_err *err);
void df_row_free(df_row **row);

int df_row_context_tokens(const df_row *row); /* rows of encoder_hidden_states; 0: as many as the model has */

/* All prompts encoded? *failure: the reason if one of them cannot be, else NULL. */
bool df_row_has_text(const df_row *row, const df_err **failure);
void df_row_wait(df_row *row); /* state: what its walk needs next */

/* row_ports.c: numbers in and out of a micro-batch, of dtype. */

enum { DF_ROW_TIME_IDS = 6 }; /* original size, crop, target size */

/* The denoiser's inputs, from the first row of the micro-batch on; NULL where it has no such port. */
typedef struct df_row_ports {
    void *sample, *text, *pooled;
    double *timestep, *time_ids; /* [1], [DF_ROW_TIME_IDS] a row */
    int32_t *class_labels;
} df_row_ports;

/* What all of its model rows have in common: before the first of a step is written. */
void df_row_begin_step(df_row *row);
/* Fills row `at` of a micro-batch with its model row k of n_model_rows. */
void df_row_write_input(df_row *row, int k, const df_row_ports *ports, int64_t at, df_dtype dtype);
/* Takes the denoiser's output of each model row: guidance, then a step. DF_ENUMERIC if it is not finite. */
df_code df_row_take_output(df_row *row, const void *const out[], df_dtype dtype, df_err *err);

void df_row_write_picture(df_row *row, void *image, df_dtype dtype); /* the VAE encoder's input, one row */
df_code df_row_take_moments(df_row *row, const void *moments, df_dtype dtype, df_err *err);
void df_row_write_latents(df_row *row, void *z, df_dtype dtype); /* the decoder's input, one row */
/* Where there is no decoder: the picture itself, [h][w][C] f32, the row's until its next call. */
const float *df_row_latents_as_picture(df_row *row);

#endif

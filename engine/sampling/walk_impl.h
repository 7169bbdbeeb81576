/* Inside a walk (engine/sampling only). */
#ifndef DF_ENGINE_SAMPLING_WALK_IMPL_H
#define DF_ENGINE_SAMPLING_WALK_IMPL_H

#include "engine/sampling/walk.h"

enum { DF_WALK_MAX_PICTURES = 2 };

struct df_walk {
    const df_model *model; /* borrowed */
    df_task task;
    df_sampler *sampler;
    df_draw_fn draw;
    void *draw_ctx;
    double guidance, guidance_rescale, strength;
    bool guided;
    bool started; /* the start is given: x must not be drawn */
    int noise_level;
    int channels, latent_h, latent_w;
    size_t plane, n; /* h * w, channels * h * w */
    int first_call, call;
    float *x; /* [n] */
    float *work; /* [n] the guided output, then the source that is blended in */
    float *pictures[DF_WALK_MAX_PICTURES]; /* [3][H][W] for the encoder; freed once encoded */
    float *moments[DF_WALK_MAX_PICTURES]; /* [2][n] */
    int n_pictures, n_encoded;
    float *beside; /* [n_beside] what the sample holds behind the latents; NULL: nothing */
    size_t n_beside;
    bool scale_beside; /* scaled as the latents are, before each call */
    float *mask; /* [plane], 1: drawn anew */
    float *source, *source_noise; /* [n] for blending; NULL: none */
};

/* walk_prepare.c: what a task needs of the request, checked and copied. */
df_code df_walk_prepare(df_walk *w, const df_walk_cfg *cfg, df_err *err);
/* walk_start.c: with all pictures encoded, the first latents and what goes beside them. */
df_code df_walk_start(df_walk *w, df_err *err);

float *df_walk_alloc(size_t n, df_err *err); /* NULL: err is set */
bool df_walk_has_mask_beside(const df_walk *w); /* a U-Net made for inpainting */

#endif

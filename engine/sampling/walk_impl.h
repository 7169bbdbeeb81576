/* Inside a walk (engine/sampling only). */
#ifndef DF_ENGINE_SAMPLING_WALK_IMPL_H
#define DF_ENGINE_SAMPLING_WALK_IMPL_H

#include "engine/sampling/walk.h"

enum { DF_WALK_MAX_PICTURES = 2 };

struct df_walk {
    const df_model *model; /* borrowed */
    const df_vectors *v; /* borrowed: where the vectors below lie */
    df_task task;
    df_sampler *sampler;
    df_draw draw;
    df_torch_cuda *generator; /* borrowed, or NULL */
    double guidance, guidance_rescale, strength;
    bool guided;
    bool started; /* the start is given: x must not be drawn */
    int noise_level;
    int channels, latent_h, latent_w;
    size_t plane, n; /* h * w, channels * h * w */
    int first_call, call;
    float *x; /* vector [n] */
    float *work; /* vector [n]: the guided output, then the source that is blended in */
    float *shift; /* vector [n]: what the decoder's input is shifted by, everywhere; NULL: nothing */
    int32_t *bad; /* vector [n_flags]: 1 for each step whose numbers are not finite */
    int32_t *flags; /* [n_flags], bad as the host knows it */
    int n_flags, n_checked;
    float *pictures[DF_WALK_MAX_PICTURES]; /* [3][H][W] for the encoder, the host's; freed once encoded */
    float *moments[DF_WALK_MAX_PICTURES]; /* [2][n], the host's */
    int n_pictures, n_encoded;
    float *beside; /* vector [n_beside]: what the sample holds behind the latents; NULL: nothing */
    size_t n_beside;
    bool scale_beside; /* scaled as the latents are, before each call */
    float *mask; /* vector [plane], 1: drawn anew */
    float *source, *source_noise; /* vectors [n] for blending; NULL: none */
};

/* walk_prepare.c: what a task needs of the request, checked and copied. */
df_code df_walk_prepare(df_walk *w, const df_walk_cfg *cfg, df_err *err);
/* walk_start.c: with all pictures encoded, the first latents and what goes beside them. */
df_code df_walk_start(df_walk *w, df_err *err);

float *df_walk_alloc(size_t n, df_err *err); /* the host's; NULL: err is set */
float *df_walk_vector(const df_walk *w, size_t n, df_err *err); /* zeros in the walk's place; NULL: err is set */
bool df_walk_has_mask_beside(const df_walk *w); /* a U-Net made for inpainting */

#endif

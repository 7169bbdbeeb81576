/* A walk: one picture on its way through sampler, guidance and what its task has beside them. It knows which component
 * has to run next and on what numbers; who runs it, alone or in a batch with others, is the caller's matter.
 *
 *   df_walk_new(&w, model, &cfg, &err);
 *   for (;;) switch (df_walk_next(w)) {
 *     case DF_WALK_ENCODE:  moments = VAE encoder(df_walk_picture(w));  df_walk_take_moments(w, moments, &err);
 *     case DF_WALK_DENOISE: df_walk_write_sample(w, x);  t = df_walk_timestep(w);
 *                           out = denoiser(x, t, conditions), twice if df_walk_is_guided(w)
 *                           df_walk_guide(w, cond, uncond);  df_walk_step(w, &err);  df_walk_blend(w);
 *     case DF_WALK_DECODE:  df_walk_write_z(w, z);  picture = VAE decoder(z); df_walk_latents where there is none
 *   }
 *   df_walk_free(&w);
 *
 * All numbers are f32 in PyTorch's layout [C][h][w], because noise is drawn in that order. Latents lie in one place,
 * the host's memory or a device's (vectors.h), and so does what df_walk_write_sample and df_walk_write_z write and
 * df_walk_guide reads; pictures and moments are the host's. On a device a step is enqueued and not waited for: whether
 * its numbers were finite is known later, by df_walk_check. The draws of a walk come in
 * the order in which diffusers' pipelines make them, all after the last picture is encoded:
 *   txt2img, class, uncond  start noise                              (StableDiffusionPipeline, DiTPipeline, ...)
 *   img2img                 sample of the posterior, noise           (StableDiffusionImg2ImgPipeline.prepare_latents)
 *   inpaint                 the same where the source is needed (strength below 1, or blending), else noise alone; then
 *                           a sample of the masked picture's posterior, which blending leaves unused
 *                                                                    (StableDiffusionInpaintPipeline)
 *   upscale                 noise of the picture where the model takes it noised, start noise
 *                                                   (StableDiffusionUpscalePipeline, LDMSuperResolutionPipeline)
 * and then those of the sampler. Walks share nothing. Threads: one owner. */
#ifndef DF_ENGINE_SAMPLING_WALK_H
#define DF_ENGINE_SAMPLING_WALK_H

#include "engine/image/image.h"
#include "engine/models/task.h"
#include "engine/samplers/sampler.h"

typedef struct df_walk df_walk;

typedef struct df_walk_cfg {
    df_task task; /* which need a picture and how they begin; the three that need none are alike */
    const df_scheduler *scheduler; /* borrowed during df_walk_new */
    int steps;
    double guidance; /* up to 1: none, as in diffusers */
    double guidance_rescale; /* 0..1; 0: none */
    double eta;
    double strength; /* img2img, inpaint: above 0, up to 1 */
    int noise_level; /* upscale, where the model takes one */
    int latent_h, latent_w;
    /* Borrowed during df_walk_new; pictures and masks of the latents' size times the autoencoder's factor, for upscale
     * of the latents' size. */
    const df_image *image, *mask;
    const float *start; /* [C][h][w] normal numbers in place of the draw of the start noise; NULL: drawn. Borrowed */
    df_draw_fn draw;
    void *draw_ctx; /* borrowed for the walk's life */
    bool draws_are_increments; /* df_sampler_draws_are_increments */
    df_torch_cuda
        *generator; /* what draw draws from, for a place that can draw by itself (vectors.h); NULL. Borrowed */
    const df_vectors *vectors; /* the place, borrowed for the walk's life; NULL: the host's memory */
} df_walk_cfg;

typedef enum df_walk_need { DF_WALK_ENCODE, DF_WALK_DENOISE, DF_WALK_DECODE } df_walk_need;

/* DF_EINVAL with the field, its value and what would do: a picture that is missing or of another size, a strength that
 * leaves no step, a noise level, rescale or eta out of range; and what df_sampler_new says. */
df_code df_walk_new(df_walk **out, const df_model *model, const df_walk_cfg *cfg, df_err *err);
void df_walk_free(df_walk **w); /* accepts NULL and a pointer to NULL */

df_walk_need df_walk_next(const df_walk *w);
size_t df_walk_elements(const df_walk *w); /* of the latents: C * h * w */
bool df_walk_is_guided(const df_walk *w);
int df_walk_call(const df_walk *w); /* the next evaluation: df_walk_first_call.. */
int df_walk_first_call(const df_walk *w); /* above 0 where strength leaves steps out */
int df_walk_end_call(const df_walk *w); /* one behind the last */

/* The picture that the VAE encoder has to encode next, [3][H][W] in -1..1. Borrowed. */
const float *df_walk_picture(const df_walk *w);
/* moments [2C][h][w] of it. After the last one the walk draws its start: what the draw returns comes back. */
df_code df_walk_take_moments(df_walk *w, const float *moments, df_err *err);

/* The denoiser's sample [Cin][h][w]: the scaled latents and what the task has beside them. */
void df_walk_write_sample(df_walk *w, float *out);
float df_walk_timestep(const df_walk *w);
/* The denoiser's outputs become one; of each the first C channels count, a learned variance behind them is not used (as
 * DiTPipeline has it). uncond: NULL without guidance. Returns [C][h][w], the walk's until its next call. */
const float *df_walk_guide(df_walk *w, const float *cond, const float *uncond);
/* A step of the sampler with that. In the host's memory DF_ENUMERIC if it, or what follows, is not finite. */
df_code df_walk_step(df_walk *w, df_err *err);
/* DF_ENUMERIC with the first step whose numbers are not finite. On a device it waits: once a picture, before or after
 * the last step. */
df_code df_walk_check(df_walk *w, df_err *err);
/* Inpainting with a model that takes no mask: outside the mask the latents become the source's, as noisy as the others
 * are by now. Nothing for all else. After each step. */
void df_walk_blend(df_walk *w);

const float *df_walk_latents(const df_walk *w); /* [C][h][w] */
void df_walk_write_z(const df_walk *w, float *out); /* the decoder's input, [C][h][w] */

#endif

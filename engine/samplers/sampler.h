/* A sampler: one image's walk from noise to latents. One object a row; rows never share state.
 *
 *   df_sampler_new(&s, &scheduler, n_steps, n_elements, &err);
 *   x = normal noise * df_sampler_init_sigma(s);
 *   for (call = 0; call < df_sampler_n_calls(s); call++) {
 *       df_sampler_scale_input(s, call, x, model_input);
 *       ... model_output = U-Net(model_input, df_sampler_timestep(s, call)), guided ...
 *       df_sampler_step(s, call, model_output, x, noise, &err);            x becomes the next latents
 *   }
 *
 * Element order is irrelevant but to the noise, which is drawn in the order of x: keep x as PyTorch does, [C][H][W].
 * Arithmetic follows diffusers 0.42 (f32 tables and tensors; scalars in f64 where it has Python floats).
 * Calls are made in order 0..n-1. Threads: one owner. Sources, by class: see the .c files. */
#ifndef DF_ENGINE_SAMPLERS_SAMPLER_H
#define DF_ENGINE_SAMPLERS_SAMPLER_H

#include <stddef.h>

#include "base/err.h"
#include "engine/samplers/scheduler.h"

typedef struct df_sampler df_sampler;

/* Draws n standard normal numbers; samplers without noise never call it. */
typedef df_code (*df_draw_fn)(void *ctx, float *out, size_t n, df_err *err);

/* n_steps 1..n_train_timesteps, else DF_EINVAL. eta: DDIM's, 0 unless told. */
df_code df_sampler_new(df_sampler **out, const df_scheduler *sched, int n_steps, double eta, size_t n_elements,
                       df_err *err);
void df_sampler_free(df_sampler **s);

int df_sampler_n_calls(const df_sampler *s); /* model evaluations: PNDM and Heun make more than n_steps */
float df_sampler_timestep(const df_sampler *s, int call);
float df_sampler_init_sigma(const df_sampler *s); /* init_noise_sigma */
void df_sampler_scale_input(const df_sampler *s, int call, const float *x, float *out); /* out may be x */
df_code df_sampler_step(df_sampler *s, int call, const float *model_output, float *x, df_draw_fn draw, void *draw_ctx,
                        df_err *err);

/* Classifier-free guidance, Ho and Salimans 2022: out = uncond + scale * (cond - uncond); out may be either. */
void df_guidance(const float *cond, const float *uncond, float scale, float *out, size_t n);

#endif

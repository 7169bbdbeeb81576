/* A sampler: one image's walk from noise to latents. One object a row; rows never share state.
 *
 *   df_sampler_new(&s, &scheduler, n_steps, eta, n_elements, &err);
 *   x = normal noise * df_sampler_init_sigma(s);
 *   for (call = 0; call < df_sampler_n_calls(s); call++) {
 *       df_sampler_scale_input(s, call, x, model_input);
 *       ... model_output = U-Net(model_input, df_sampler_timestep(s, call)), guided ...
 *       df_sampler_step(s, call, model_output, x, draw, ctx, &err);        x becomes the next latents
 *   }
 *
 * A walk may also begin at a later call (image to image), with x = df_sampler_add_noise(s, call, ...); from there calls
 * follow one another. Element order is irrelevant but to the noise, which is drawn in the order of x: keep x as PyTorch
 * does, [C][H][W].
 * Arithmetic follows diffusers 0.42: f32 tables and tensors, f64 where it has numpy's or Python's numbers. Everything
 * is allocated at the start; a step allocates nothing. Latents lie in the host's memory, or in that of a device
 * (vectors.h), and then a step is enqueued, not waited for; dynamic thresholding alone asks the device for numbers.
 * Threads: one owner. Sources, by class: see the .c files. */
#ifndef DF_ENGINE_SAMPLERS_SAMPLER_H
#define DF_ENGINE_SAMPLERS_SAMPLER_H

#include <stddef.h>

#include "base/err.h"
#include "engine/samplers/scheduler.h"
#include "engine/samplers/vectors.h"

typedef struct df_sampler df_sampler;

/* n_steps 1..n_train_timesteps (some classes and spacings have narrower limits), else DF_EINVAL that says why.
 * eta 0..1: how much of the noise DDIM puts back (0: none), TCD's gamma; the other classes ignore it. */
df_code df_sampler_new(df_sampler **out, const df_scheduler *sched, int n_steps, double eta, size_t n_elements,
                       df_err *err);
/* The same over vectors of a place: all that is sample, model output or noise below lies there. v is borrowed. */
df_code df_sampler_new_in(df_sampler **out, const df_vectors *v, const df_scheduler *sched, int n_steps, double eta,
                          size_t n_elements, df_err *err);
void df_sampler_free(df_sampler **s);

int df_sampler_n_calls(const df_sampler *s); /* model evaluations: PNDM and Heun make more than n_steps */
float df_sampler_timestep(const df_sampler *s, int call);
float df_sampler_init_sigma(const df_sampler *s); /* init_noise_sigma */
void df_sampler_scale_input(const df_sampler *s, int call, const float *x, float *out); /* out may be x */

/* DF_EINVAL if call is not the one that follows; otherwise what draw returns, which classes without noise never call.
 * On an error x is unspecified. */
df_code df_sampler_step(df_sampler *s, int call, const float *model_output, float *x, df_draw_fn draw, void *draw_ctx,
                        df_err *err);

/* Draws come from g instead where the place can make them itself (vectors.h, normal). Borrowed; NULL: never. */
void df_sampler_draw_from(df_sampler *s, df_torch_cuda *g);

/* Only DPM++ SDE cares. Its noise is Brownian motion over sigma, looked up twice in each step. By default it makes that
 * out of independent draws. `yes`: the draws are the motion's increments already, scaled to unit variance, as runs of
 * the library have them. Before the first step. */
void df_sampler_draws_are_increments(df_sampler *s, bool yes);

/* A clean sample as noisy as x is before `call`, in the class' own scale. out may be sample or noise. */
void df_sampler_add_noise(const df_sampler *s, int call, const float *sample, const float *noise, float *out);

/* The sigma table after set_timesteps, *n long; NULL for classes that have none. Borrowed. */
const float *df_sampler_sigmas(const df_sampler *s, int *n);

#endif

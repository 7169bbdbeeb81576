/* Guidance: what a model says with the prompt and without it becomes one output. n: the values of one image. */
#ifndef DF_ENGINE_SAMPLERS_GUIDANCE_H
#define DF_ENGINE_SAMPLERS_GUIDANCE_H

#include <stddef.h>

/* Classifier-free guidance, Ho and Salimans 2022, arXiv:2207.12598: out = uncond + scale * (cond - uncond); out may be
 * either. */
void df_guidance(const float *cond, const float *uncond, float scale, float *out, size_t n);

/* Guidance rescale: std(cond) / std(out) brings a guided output back to the spread of the conditional one, mixed in by
 * `amount` 0..1. Without it high guidance over-exposes, most of all with zero terminal SNR.
 * Source: Lin et al. 2023, arXiv:2305.08891, section 3.4. Reference: diffusers' rescale_noise_cfg. */
void df_guidance_rescale(float *out, const float *cond, double amount, size_t n);

#endif

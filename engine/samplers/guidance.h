/* Guidance rescale: std(cond) / std(out) brings a guided output back to the spread of the conditional one, mixed in by
 * `amount` 0..1. Without it high guidance over-exposes, most of all with zero terminal SNR.
 * Source: Lin et al. 2023, arXiv:2305.08891, section 3.4. Reference: diffusers' rescale_noise_cfg. */
#ifndef DF_ENGINE_SAMPLERS_GUIDANCE_H
#define DF_ENGINE_SAMPLERS_GUIDANCE_H

#include <stddef.h>

/* out [n] is one image's guided output, cond [n] the conditional one. */
void df_guidance_rescale(float *out, const float *cond, double amount, size_t n);

#endif

/* Guidance rescale: std(cond) / std(out) brings a guided output back to the spread of the conditional one, mixed in by
 * `amount`; both standard deviations are those of one row.
 * Source: Lin et al. 2023, arXiv:2305.08891, section 3.4. Reference: diffusers rescale_noise_cfg. */
#ifndef DF_CLIENT_EVAL_GUIDANCE_H
#define DF_CLIENT_EVAL_GUIDANCE_H

#include <stddef.h>

void df_guidance_rescale(float *out, const float *cond, double amount, size_t n);

#endif

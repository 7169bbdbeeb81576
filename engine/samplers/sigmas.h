/* Sigma tables: the noise level sqrt((1 - abar) / abar) at each step, for the classes that think in sigmas.
 * Sources: Karras et al. 2022 (arXiv:2206.00364), eq. 5 with rho 7; k-diffusion's exponential spacing; beta spacing,
 * Lee et al. 2024 (arXiv:2407.12173), with both shapes 0.6. */
#ifndef DF_ENGINE_SAMPLERS_SIGMAS_H
#define DF_ENGINE_SAMPLERS_SIGMAS_H

#include "engine/samplers/scheduler.h"

/* sigma of one abar, f32. */
float df_sigma_of(float abar);

/* numpy.interp(t, 0..n-1, sigmas of abar) */
double df_sigma_at(const float *abar, int n, double t);

/* The timestep, fractional, at which the table reaches sigma; linear in log sigma. */
double df_sigma_to_timestep(const float *abar, int n, double sigma);

/* n_steps sigmas from max down to min; kind is KARRAS, EXPONENTIAL or BETA. */
void df_sigmas_spaced(df_sigma_spacing kind, double min, double max, int n_steps, double *out);

#endif

/* Which training timesteps a walk of n steps visits, latest first: Lin et al. 2023 (arXiv:2305.08891), table 2.
 * Numbers are made in f64 in numpy's order of operations, and rounded half to even where the library rounds. */
#ifndef DF_ENGINE_SAMPLERS_SPACING_H
#define DF_ENGINE_SAMPLERS_SPACING_H

#include "engine/samplers/scheduler.h"

/* numpy.linspace(first, last, n)[i] */
double df_linspace_at(double first, double last, int n, int i);

/* Most classes: n of 0..N-1. linspace stays fractional with `fractional`, else it is rounded. */
void df_spacing_fill(const df_scheduler *s, int n_steps, bool fractional, double *out);
/* DPM++ and UniPC: as above over n + 1 timesteps, without the last (it would be 0, where nothing is left to do). */
void df_spacing_fill_multistep(const df_scheduler *s, int n_steps, double *out);
/* LCM and TCD: n of the original_steps timesteps that the model was distilled on. n_steps <= original_steps. */
void df_spacing_fill_distilled(const df_scheduler *s, int n_steps, double *out);

#endif

/* Steps of two calls, the second at a noise level between the step's ends: tables for DPM2 and DPM++ SDE. Even calls
 * are at a step's start, odd ones at its middle; the last step, to sigma 0, is one call. */
#ifndef DF_ENGINE_SAMPLERS_MIDPOINT_H
#define DF_ENGINE_SAMPLERS_MIDPOINT_H

#include "engine/samplers/sampler_ops.h"

/* Half-way in log sigma. */
float df_midpoint_of(float from, float to);

/* Where an ancestral step that ends at noise level `to` gets to by itself, and the noise that brings it up again. */
typedef struct df_ancestral {
    float down, up;
} df_ancestral;
df_ancestral df_ancestral_of(float from, float to);

/* df_sampler_sigma_plan and the middles: model_sigmas and the odd timesteps. */
df_code df_midpoint_plan(df_sampler *s, bool ancestral, df_err *err);

/* A walk may begin at the start of a step only. */
df_code df_midpoint_check(const df_sampler *s, int call, df_err *err);

#endif

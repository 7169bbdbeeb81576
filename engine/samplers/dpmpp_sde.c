/* DPM-Solver++ (SDE): two exponential steps from the start of each step, to its middle and, with what the model says
 * there, to its end; each comes back up with noise. Source: Lu et al. 2022 (arXiv:2211.01095); k-diffusion,
 * sample_dpmpp_sde. Reference: diffusers' DPMSolverSDEScheduler.
 *
 * Noise. Both parts of a step take theirs from one Brownian motion W over sigma: W(start) - W(middle), then
 * W(start) - W(end), each over the root of its span. They share what happens before the middle. The library looks W
 * up in torchsde's tree, whose values hang on a random seed of its own (noise_sampler_seed None) and are not
 * reproduced. No tree is needed: the steps' spans do not overlap and each is cut at one known place, so increments
 * drawn one after another have the very same distribution. With z1, z2 the draws of a step and r = (start - middle) /
 * (start - end): first part z1, second part sqrt(r) * z1 + sqrt(1 - r) * z2 Where the draws are W's increments already
 * (stored runs of the library) see df_sampler_draws_are_increments. */
#include <math.h>

#include "engine/samplers/midpoint.h"

enum { ORIGIN, FIRST_DRAW, N_TENSORS };

static df_code plan(df_sampler *s, df_err *err) {
    return df_midpoint_plan(s, false, err);
}

/* The increment's share before the middle is known from the first part. */
static void join_increments(df_sampler *s, float start, float middle, float end) {
    float r = start > end ? (start - middle) / (start - end) : 1.0f, a = sqrtf(r), b = sqrtf(1.0f - r);
    df_mix(s, s->noise, { a, s->history[FIRST_DRAW] }, { b, s->noise });
}

static df_code draw_increment(df_sampler *s, int call, df_draw draw, df_err *err) {
    df_code rc = df_sampler_draw(s, draw, err);
    if (rc || s->draws_are_increments) return rc;
    if (call % 2)
        join_increments(s, s->sigmas[call - 1], s->model_sigmas[call], s->sigmas[call]);
    else
        df_keep(s, s->history[FIRST_DRAW], s->noise);
    return DF_OK;
}

/* From the start of the step to noise level `to`. */
static void advance(df_sampler *s, int call, float from, float to, const float *model_output, float *x) {
    df_ancestral a = df_ancestral_of(from, to);
    float kept = a.down / from, *clean = s->scratch;
    df_clean_at_sigma(s, clean, s->model_sigmas[call], x, model_output);
    df_mix(s, x, { kept, s->history[ORIGIN] }, { 1.0f - kept, clean }, { a.up, s->noise });
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    df_code rc = df_midpoint_check(s, call, err);
    if (rc) return rc;
    if (call == s->n_calls - 1) { /* to sigma 0 */
        df_clean_at_sigma(s, x, s->model_sigmas[call], x, model_output);
        return DF_OK;
    }
    if ((rc = draw_increment(s, call, draw, err))) return rc;
    if (call % 2) {
        advance(s, call, s->sigmas[call - 1], s->sigmas[call], model_output, x);
    } else {
        df_keep(s, s->history[ORIGIN], x);
        advance(s, call, s->sigmas[call], s->model_sigmas[call + 1], model_output, x);
    }
    return DF_OK;
}

const df_sampler_ops df_dpmpp_sde_ops = { .plan = plan, .step = step, .scales_input = true, .n_history = N_TENSORS };

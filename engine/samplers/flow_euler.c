/* Euler's method for flow matching: x = (1 - sigma) * clean + sigma * noise, the model predicts noise - clean. Source:
 * Lipman et al. 2023 (arXiv:2210.02747). Reference: diffusers' FlowMatchEulerDiscreteScheduler. */
#include "engine/samplers/flow_shift.h"
#include "engine/samplers/sampler_ops.h"
#include "engine/samplers/spacing.h"

/* The ends of the table are shifted already and, as in the library, every sigma between them is shifted once more. */
static df_code plan(df_sampler *s, df_err *err) {
    int n = s->n_steps, n_train = s->cfg.n_train_timesteps;
    double shift = s->cfg.flow_shift;
    df_code rc = df_sampler_alloc_calls(s, n, n + 1, err);
    if (rc) return rc;
    float first = (float)df_flow_shift(1, shift), last = (float)df_flow_shift(1.0 / n_train, shift);
    for (int i = 0; i < n; i++) {
        double t = df_linspace_at((double)first * n_train, (double)last * n_train, n, i);
        s->sigmas[i] = (float)df_flow_shift(t / n_train, shift);
        s->timesteps[i] = s->sigmas[i] * (float)n_train;
    }
    s->sigmas[n] = 0;
    return DF_OK;
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw, (void)err;
    df_mix(s, x, { 1, x }, { s->sigmas[call + 1] - s->sigmas[call], model_output });
    return DF_OK;
}

const df_sampler_ops df_flow_euler_ops = { .plan = plan, .step = step, .flows = true };

/* unet and transformer: one forward of the denoiser, whatever network it is. */
#include <stdlib.h>

#include "client/eval/conditions.h"

df_code df_eval_denoiser(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    const df_part_facts *facts = df_model_facts(e->model, DF_DENOISER);
    int64_t dim[4] = { DF_ANY, facts->denoiser.in_channels, DF_ANY, DF_ANY };
    float *sample = NULL, *timestep = NULL, *result;
    df_eval_conditions given = { 0 };
    int program;
    df_code rc;
    if ((rc = df_eval_read_f32(&e->in, "sample", dim, 4, &sample, err))) goto done;
    if ((rc = df_eval_read_per_row(&e->in, "timestep", dim[0], &timestep, err))) goto done;
    if ((rc = df_eval_conditions_read(&given, e, dim[0], err))) goto done;
    if ((rc = df_eval_runner_load(e->runner, DF_DENOISER, dim[2], dim[3], &program, err))) goto done;
    int64_t out_dim[4] = { dim[0], facts->denoiser.out_channels, dim[2], dim[3] };
    if ((rc = df_eval_output(&e->out, "out", DF_F32, out_dim, 4, &result, err))) goto done;
    df_eval_port in[2 + DF_EVAL_MAX_CONDITIONS] = { { "sample", sample }, { "timestep", timestep } };
    for (int i = 0; i < given.n; i++) in[2 + i] = given.port[i];
    rc = df_eval_runner_run(e->runner, program, dim[0], in, 2 + given.n, &(df_eval_port) { "out", result }, 1, err);
done:
    free(sample);
    free(timestep);
    df_eval_conditions_free(&given);
    return rc;
}

#include <stdlib.h>

#include "client/eval/calls.h"

df_code df_eval_unet(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    const df_model_info *info = df_model_info_of(e->model);
    int64_t dim[4] = { DF_ANY, info->latent_channels, DF_ANY, DF_ANY };
    float *sample = NULL, *timestep = NULL, *context = NULL, *result;
    int program;
    df_code rc;
    if ((rc = df_eval_read_f32(&e->in, "sample", dim, 4, &sample, err))) goto done;
    int64_t text_dim[3] = { dim[0], info->max_tokens, info->text_width };
    if ((rc = df_eval_read_per_row(&e->in, "timestep", dim[0], &timestep, err))) goto done;
    if ((rc = df_eval_read_f32(&e->in, "encoder_hidden_states", text_dim, 3, &context, err))) goto done;
    if ((rc = df_eval_runner_load(e->runner, DF_UNET, dim[2], dim[3], &program, err))) goto done;
    if ((rc = df_eval_output(&e->out, "out", DF_F32, dim, 4, &result, err))) goto done;
    df_eval_port in[] = { { "sample", sample }, { "timestep", timestep }, { "encoder_hidden_states", context } };
    rc = df_eval_runner_run(e->runner, program, dim[0], in, 3, &(df_eval_port) { "out", result }, 1, err);
done:
    free(sample);
    free(timestep);
    free(context);
    return rc;
}

#include <math.h>
#include <stdlib.h>

#include "client/eval/calls.h"
#include "client/eval/scheduler.h"

df_code df_eval_scheduler(df_scheduler *out, const df_eval *e, const df_eval_settings *settings, df_err *err) {
    return df_eval_scheduler_of(out, e->model, settings->scheduler, err);
}

static df_code add_row(const df_scheduler *sched, const df_eval *e, float t, const float *sample, const float *noise,
                       float *out, size_t row, df_err *err) {
    if (!(t >= 0 && t < (float)sched->n_train_timesteps) || t != floorf(t))
        return df_err_set(err, DF_EINVAL, "%s: 'timestep' is %g; a whole number from 0 to %d is needed", e->in.path,
                          (double)t, sched->n_train_timesteps - 1);
    return df_scheduler_add_noise(sched, sample, noise, (int)t, out, row, err);
}

df_code df_eval_add_noise(df_eval *e, const df_eval_settings *settings, df_err *err) {
    int64_t dim[4] = { DF_ANY, DF_ANY, DF_ANY, DF_ANY };
    float *sample = NULL, *noise = NULL, *timestep = NULL, *out;
    df_scheduler sched;
    df_code rc;
    if ((rc = df_eval_scheduler(&sched, e, settings, err))) goto done;
    if ((rc = df_eval_read_f32(&e->in, "sample", dim, 4, &sample, err))) goto done;
    if ((rc = df_eval_read_f32(&e->in, "noise", dim, 4, &noise, err))) goto done;
    if ((rc = df_eval_read_per_row(&e->in, "timestep", dim[0], &timestep, err))) goto done;
    if ((rc = df_eval_output(&e->out, "out", DF_F32, dim, 4, &out, err))) goto done;
    size_t row = (size_t)(dim[1] * dim[2] * dim[3]);
    for (int64_t r = 0; r < dim[0] && !rc; r++)
        rc = add_row(&sched, e, timestep[r], sample + (size_t)r * row, noise + (size_t)r * row, out + (size_t)r * row,
                     row, err);
done:
    free(sample);
    free(noise);
    free(timestep);
    return rc;
}

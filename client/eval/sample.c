/* A whole sampling run with every random draw given: scheduler, guidance, denoiser, decoder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/eval/walk.h"
#include "engine/samplers/guidance.h"

static int64_t model_rows(const df_walk *w) {
    return w->guided ? 2 * w->n : w->n;
}

static const df_part_facts *denoiser_of(const df_walk *w) {
    return df_model_facts(w->e->model, DF_DENOISER);
}

static df_code open_samplers(df_walk *w, df_err *err) {
    df_scheduler sched;
    df_code rc = df_eval_scheduler(&sched, w->e, w->set, err);
    if (rc) return rc;
    if (!(w->samplers = calloc((size_t)w->n, sizeof *w->samplers))) return df_err_set(err, DF_ENOMEM, "samplers");
    for (int64_t r = 0; r < w->n && !rc; r++) {
        rc = df_sampler_new(&w->samplers[r], &sched, w->set->steps, w->set->eta, (size_t)w->row, err);
        if (!rc) df_sampler_draws_are_increments(w->samplers[r], true);
    }
    if (!rc) w->n_calls = df_sampler_n_calls(w->samplers[0]);
    return rc;
}

static df_code reserve(df_walk *w, df_err *err) {
    size_t rows = (size_t)model_rows(w);
    int64_t dim[5] = { w->n_calls - w->first_call, w->dim[0], w->dim[1], w->dim[2], w->dim[3] };
    w->model_in = calloc(rows * (size_t)(w->row + w->beside_row), sizeof *w->model_in);
    w->model_out = calloc(rows * (size_t)(denoiser_of(w)->denoiser.out_channels * w->plane), sizeof *w->model_out);
    w->timestep = calloc(rows, sizeof *w->timestep);
    if (!w->model_in || !w->model_out || !w->timestep) return df_err_set(err, DF_ENOMEM, "%zu rows", rows);
    df_code rc = df_eval_output(&w->e->out, "timesteps", DF_F32, dim, 1, &w->timesteps, err);
    if (!rc) rc = df_eval_output(&w->e->out, "latents", DF_F32, dim, 5, &w->latents, err);
    if (!rc) rc = df_eval_output(&w->e->out, "model_output", DF_F32, dim, 5, &w->outputs, err);
    return rc;
}

static void prepare_call(df_walk *w, int call) {
    w->timesteps[call - w->first_call] = df_sampler_timestep(w->samplers[0], call);
    for (int64_t m = 0; m < model_rows(w); m++) {
        int64_t r = m % w->n;
        float *to = w->model_in + m * (w->row + w->beside_row);
        df_sampler_scale_input(w->samplers[r], call, w->x + r * w->row, to);
        if (w->scale_beside)
            df_sampler_scale_input(w->samplers[r], call, w->beside + r * w->beside_row, to + w->row);
        else if (w->beside)
            memcpy(to + w->row, w->beside + r * w->beside_row, sizeof *to * (size_t)w->beside_row);
        w->timestep[m] = df_sampler_timestep(w->samplers[r], call);
    }
}

/* The denoiser's rows to one guided output per picture. Where it also tells a variance, that lies behind. */
static void guide(df_walk *w, float *out) {
    int64_t wide = denoiser_of(w)->denoiser.out_channels * w->plane;
    for (int64_t r = 0; r < w->n; r++, out += w->row) {
        const float *cond = w->model_out + (w->guided ? w->n + r : r) * wide;
        memcpy(out, cond, sizeof *out * (size_t)w->row);
        if (!w->guided) continue;
        df_guidance(cond, w->model_out + r * wide, (float)w->set->guidance, out, (size_t)w->row);
        df_guidance_rescale(out, cond, w->set->guidance_rescale, (size_t)w->row);
    }
}

/* Outside the mask the latents are the source's, as noisy as the others are before the next call. */
static void blend(df_walk *w, int call) {
    if (!w->source_noise) return;
    for (int64_t r = 0; r < w->n; r++) {
        float *x = w->x + r * w->row, *kept = w->model_in; /* free by now */
        if (call + 1 < w->n_calls)
            df_sampler_add_noise(w->samplers[r], call + 1, w->source + r * w->row, w->source_noise + r * w->row, kept);
        else
            memcpy(kept, w->source + r * w->row, sizeof *kept * (size_t)w->row);
        for (int64_t i = 0; i < w->row; i++) {
            float m = w->mask[i % w->plane];
            x[i] = (1.0f - m) * kept[i] + m * x[i];
        }
    }
}

static df_code step(df_walk *w, int call, int program, df_err *err) {
    df_eval_port in[2 + DF_EVAL_MAX_CONDITIONS] = { { "sample", w->model_in }, { "timestep", w->timestep } };
    int64_t at = (call - w->first_call) * w->n * w->row;
    float *guided = w->outputs + at;
    for (int i = 0; i < w->conditions.n; i++) in[2 + i] = w->conditions.port[i];
    prepare_call(w, call);
    df_code rc = df_eval_runner_run(w->e->runner, program, model_rows(w), in, 2 + w->conditions.n,
                                    &(df_eval_port) { "out", w->model_out }, 1, err);
    if (rc) return rc;
    guide(w, guided);
    for (int64_t r = 0; r < w->n && !rc; r++)
        rc = df_sampler_step(w->samplers[r], call, guided + r * w->row, w->x + r * w->row, df_walk_draw, &w->draws[r],
                             err);
    if (rc) return rc;
    memcpy(w->latents + at, w->x, sizeof *w->x * (size_t)(w->n * w->row));
    blend(w, call);
    return DF_OK;
}

static df_code denoise(df_walk *w, df_err *err) {
    int program;
    df_code rc = df_eval_runner_load(w->e->runner, DF_DENOISER, w->dim[2], w->dim[3], &program, err);
    for (int call = w->first_call; call < w->n_calls && !rc; call++) rc = step(w, call, program, err);
    return rc;
}

/* NCHW in about -1..1 to NHWC in 0..255; ties to even, as numpy rounds. */
static void to_bytes(uint8_t *out, const float *image, const int64_t *dim) {
    int64_t plane = dim[2] * dim[3];
    for (int64_t r = 0; r < dim[0]; r++)
        for (int64_t i = 0; i < plane; i++)
            for (int64_t c = 0; c < 3; c++) {
                float x = image[(r * 3 + c) * plane + i] * 0.5f + 0.5f;
                *out++ = (uint8_t)rintf(255.0f * fminf(fmaxf(x, 0.0f), 1.0f));
            }
}

static df_code run_decoder(df_walk *w, float *image, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    int64_t n = w->n * w->row;
    int program;
    if (!df_model_has(w->e->model, DF_VAE_DECODER)) { /* it works on pictures */
        memcpy(image, w->x, sizeof *image * (size_t)n);
        return DF_OK;
    }
    df_code rc = df_eval_runner_load(w->e->runner, DF_VAE_DECODER, w->dim[2], w->dim[3], &program, err);
    float *z = w->model_in; /* free by now, and large enough */
    for (int64_t i = 0; i < n && !rc; i++) z[i] = w->x[i] / (float)info->scaling_factor + (float)info->shift_factor;
    return rc ? rc
              : df_eval_runner_run(w->e->runner, program, w->n, &(df_eval_port) { "z", z }, 1,
                                   &(df_eval_port) { "image", image }, 1, err);
}

static df_code decode(df_walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    int64_t dim[4] = { w->n, 3, w->dim[2] * info->vae_factor, w->dim[3] * info->vae_factor };
    float *image;
    uint8_t *bytes;
    df_code rc = df_eval_output(&w->e->out, "decoded", DF_F32, dim, 4, &image, err);
    if (!rc) rc = run_decoder(w, image, err);
    if (!rc)
        rc = df_eval_output(&w->e->out, "image_u8", DF_U8, (int64_t[]) { dim[0], dim[2], dim[3], 3 }, 4, &bytes, err);
    if (!rc) to_bytes(bytes, image, dim);
    return rc;
}

static void walk_free(df_walk *w) {
    for (int i = 0; i < w->n_noise; i++) free(w->noise[i].values);
    for (int64_t r = 0; w->samplers && r < w->n; r++) df_sampler_free(&w->samplers[r]);
    df_eval_conditions_free(&w->conditions);
    free(w->noise);
    free(w->samplers);
    free(w->draws);
    free(w->beside);
    free(w->source);
    free(w->source_noise);
    free(w->mask);
    free(w->model_in);
    free(w->model_out);
    free(w->timestep);
    free(w->x);
}

df_code df_eval_sample(df_eval *e, const df_eval_settings *settings, df_err *err) {
    /* Guidance 1 is the conditional output alone; so it is below 1, as diffusers has it. */
    df_walk w = { .e = e, .set = settings, .guided = settings->guidance > 1 };
    bool guidable = df_model_info_of(e->model)->text_width || df_model_pipeline(e->model)->guided_by_class;
    df_code rc;
    if (!guidable) w.guided = false;
    if ((rc = df_walk_read_size(&w, err))) goto done;
    int level = w.task == DF_EVAL_TASK_UPSCALE ? settings->noise_level : -1;
    if ((rc = df_eval_conditions_read_guided(&w.conditions, e, w.n, w.guided, level, err))) goto done;
    if ((rc = open_samplers(&w, err))) goto done;
    if ((rc = df_walk_start(&w, err))) goto done;
    if ((rc = reserve(&w, err))) goto done;
    if ((rc = denoise(&w, err))) goto done;
    rc = decode(&w, err);
done:
    walk_free(&w);
    return rc;
}

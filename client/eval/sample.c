/* A whole sampling run with every random draw given: each picture is a walk, and all take their steps together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/eval/conditions.h"
#include "client/eval/start.h"
#include "engine/sampling/walk.h"

typedef struct run {
    df_eval *e;
    df_eval_start start;
    df_eval_conditions conditions;
    int64_t n, row, wide; /* pictures; elements of one's latents, of one model row's output */
    int64_t in; /* elements of one model row's sample */
    bool guided; /* then the model takes 2 * n rows: unconditional ones first */
    df_walk **walks; /* [n] */
    df_eval_draws *draws; /* [n] */
    float *model_in, *model_out, *timestep; /* [model rows][...] */
    float *timesteps, *latents, *outputs; /* results, [calls][...] */
} run;

static int64_t model_rows(const run *r) {
    return r->guided ? 2 * r->n : r->n;
}

static double strength_of(const run *r, const df_eval_settings *set) {
    if (set->strength > 0) return set->strength;
    return r->start.task == DF_TASK_IMG2IMG ? 0.8 : 1.0;
}

static df_code open_walks(run *r, const df_eval_settings *set, df_err *err) {
    df_scheduler sched;
    df_code rc = df_eval_scheduler(&sched, r->e, set, err);
    if (rc) return rc;
    r->walks = calloc((size_t)r->n, sizeof(df_walk *));
    r->draws = calloc((size_t)r->n, sizeof *r->draws);
    if (!r->walks || !r->draws) return df_err_set(err, DF_ENOMEM, "%lld pictures", (long long)r->n);
    for (int64_t i = 0; i < r->n && !rc; i++) {
        r->draws[i] = (df_eval_draws) { .start = &r->start, .row = i };
        df_walk_cfg cfg = {
            .task = r->start.task,
            .scheduler = &sched,
            .steps = set->steps,
            .guidance = set->guidance,
            .guidance_rescale = set->guidance_rescale,
            .eta = set->eta,
            .strength = strength_of(r, set),
            .noise_level = set->noise_level,
            .latent_h = (int)r->start.dim[2],
            .latent_w = (int)r->start.dim[3],
            .image = &r->start.image,
            .mask = &r->start.mask,
            .start = r->start.latents ? r->start.latents + i * r->row : NULL,
            .draw = df_eval_draw,
            .draw_ctx = &r->draws[i],
            .draws_are_increments = true,
        };
        rc = df_walk_new(&r->walks[i], r->e->model, &cfg, err);
    }
    return rc;
}

static int n_calls(const run *r) {
    return df_walk_end_call(r->walks[0]) - df_walk_first_call(r->walks[0]);
}

static df_code reserve(run *r, df_err *err) {
    size_t rows = (size_t)model_rows(r);
    const int64_t *d = r->start.dim;
    int64_t dim[5] = { n_calls(r), d[0], d[1], d[2], d[3] };
    r->model_in = calloc(rows * (size_t)r->in, sizeof *r->model_in);
    r->model_out = calloc(rows * (size_t)r->wide, sizeof *r->model_out);
    r->timestep = calloc(rows, sizeof *r->timestep);
    if (!r->model_in || !r->model_out || !r->timestep) return df_err_set(err, DF_ENOMEM, "%zu rows", rows);
    df_code rc = df_eval_output(&r->e->out, "timesteps", DF_F32, dim, 1, &r->timesteps, err);
    if (!rc) rc = df_eval_output(&r->e->out, "latents", DF_F32, dim, 5, &r->latents, err);
    if (!rc) rc = df_eval_output(&r->e->out, "model_output", DF_F32, dim, 5, &r->outputs, err);
    return rc;
}

/* One at a time: they are few. */
static df_code encode_pictures(run *r, df_err *err) {
    int program;
    df_code rc = DF_OK;
    if (df_walk_next(r->walks[0]) != DF_WALK_ENCODE) return DF_OK;
    float *moments = malloc(2 * (size_t)r->row * sizeof *moments);
    if (!moments) return df_err_set(err, DF_ENOMEM, "moments of a picture");
    rc = df_eval_runner_load(r->e->runner, DF_VAE_ENCODER, r->start.dim[2], r->start.dim[3], &program, err);
    for (int64_t i = 0; i < r->n; i++)
        while (!rc && df_walk_next(r->walks[i]) == DF_WALK_ENCODE) {
            df_eval_port image = { "image", (void *)(uintptr_t)df_walk_picture(r->walks[i]) };
            df_eval_port out = { "moments", moments };
            rc = df_eval_runner_run(r->e->runner, program, 1, &image, 1, &out, 1, err);
            if (!rc) rc = df_walk_take_moments(r->walks[i], moments, err);
        }
    free(moments);
    return rc;
}

static df_code run_denoiser(run *r, int program, df_err *err) {
    df_eval_port in[2 + DF_EVAL_MAX_CONDITIONS] = { { "sample", r->model_in }, { "timestep", r->timestep } };
    for (int i = 0; i < r->conditions.n; i++) in[2 + i] = r->conditions.port[i];
    for (int64_t m = 0; m < model_rows(r); m++) {
        df_walk_write_sample(r->walks[m % r->n], r->model_in + m * r->in);
        r->timestep[m] = df_walk_timestep(r->walks[m % r->n]);
    }
    return df_eval_runner_run(r->e->runner, program, model_rows(r), in, 2 + r->conditions.n,
                              &(df_eval_port) { "out", r->model_out }, 1, err);
}

/* One picture's step; k: the how manieth of the run. Latents are kept as the sampler leaves them, before blending. */
static df_code step(run *r, int64_t i, int k, df_err *err) {
    const float *first = r->model_out + i * r->wide, *second = r->model_out + (r->n + i) * r->wide;
    size_t bytes = (size_t)r->row * sizeof *r->latents;
    int64_t at = (k * r->n + i) * r->row;
    memcpy(r->outputs + at, df_walk_guide(r->walks[i], r->guided ? second : first, r->guided ? first : NULL), bytes);
    df_code rc = df_walk_step(r->walks[i], err);
    if (rc) return rc;
    memcpy(r->latents + at, df_walk_latents(r->walks[i]), bytes);
    df_walk_blend(r->walks[i]);
    return DF_OK;
}

static df_code denoise(run *r, df_err *err) {
    int program, n = n_calls(r);
    df_code rc = df_eval_runner_load(r->e->runner, DF_DENOISER, r->start.dim[2], r->start.dim[3], &program, err);
    for (int k = 0; k < n && !rc; k++) {
        r->timesteps[k] = df_walk_timestep(r->walks[0]);
        rc = run_denoiser(r, program, err);
        for (int64_t i = 0; i < r->n && !rc; i++) rc = step(r, i, k, err);
    }
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

static df_code run_decoder(run *r, float *image, df_err *err) {
    int program;
    if (!df_model_has(r->e->model, DF_VAE_DECODER)) { /* it works on pictures */
        for (int64_t i = 0; i < r->n; i++)
            memcpy(image + i * r->row, df_walk_latents(r->walks[i]), (size_t)r->row * sizeof *image);
        return DF_OK;
    }
    float *z = r->model_in; /* free by now, and large enough */
    for (int64_t i = 0; i < r->n; i++) df_walk_write_z(r->walks[i], z + i * r->row);
    df_code rc = df_eval_runner_load(r->e->runner, DF_VAE_DECODER, r->start.dim[2], r->start.dim[3], &program, err);
    return rc ? rc
              : df_eval_runner_run(r->e->runner, program, r->n, &(df_eval_port) { "z", z }, 1,
                                   &(df_eval_port) { "image", image }, 1, err);
}

static df_code decode(run *r, df_err *err) {
    const df_model_info *info = df_model_info_of(r->e->model);
    int64_t dim[4] = { r->n, 3, r->start.dim[2] * info->vae_factor, r->start.dim[3] * info->vae_factor };
    float *image;
    uint8_t *bytes;
    df_code rc = df_eval_output(&r->e->out, "decoded", DF_F32, dim, 4, &image, err);
    if (!rc) rc = run_decoder(r, image, err);
    if (!rc)
        rc = df_eval_output(&r->e->out, "image_u8", DF_U8, (int64_t[]) { dim[0], dim[2], dim[3], 3 }, 4, &bytes, err);
    if (!rc) to_bytes(bytes, image, dim);
    return rc;
}

static void measure(run *r) {
    const df_part_facts *d = df_model_facts(r->e->model, DF_DENOISER);
    int64_t plane = r->start.dim[2] * r->start.dim[3];
    r->n = r->start.dim[0];
    r->row = r->start.dim[1] * plane;
    r->in = d->denoiser.in_channels * plane;
    r->wide = d->denoiser.out_channels * plane;
}

static df_code read_conditions(run *r, const df_eval_settings *set, df_err *err) {
    int level = r->start.task == DF_TASK_UPSCALE ? set->noise_level : -1;
    return df_eval_conditions_read_guided(&r->conditions, r->e, r->n, r->guided, level, err);
}

static void run_free(run *r) {
    for (int64_t i = 0; r->walks && i < r->n; i++) df_walk_free(&r->walks[i]);
    df_eval_conditions_free(&r->conditions);
    df_eval_start_free(&r->start);
    free(r->walks);
    free(r->draws);
    free(r->model_in);
    free(r->model_out);
    free(r->timestep);
}

df_code df_eval_sample(df_eval *e, const df_eval_settings *settings, df_err *err) {
    run r = { .e = e };
    df_code rc;
    if ((rc = df_eval_start_read(&r.start, e, settings, err))) goto done;
    measure(&r);
    if ((rc = open_walks(&r, settings, err))) goto done;
    r.guided = df_walk_is_guided(r.walks[0]);
    if ((rc = read_conditions(&r, settings, err))) goto done;
    if ((rc = encode_pictures(&r, err))) goto done;
    if ((rc = reserve(&r, err))) goto done;
    if ((rc = denoise(&r, err))) goto done;
    rc = decode(&r, err);
done:
    run_free(&r);
    return rc;
}

/* A whole sampling run with every random draw given: scheduler, guidance, U-Net, decoder. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/eval/calls.h"
#include "client/eval/guidance.h"
#include "engine/samplers/sampler.h"

typedef struct walk walk;

/* The draws of one row, in order. */
typedef struct row_draws {
    const walk *w;
    int64_t row;
    int next;
} row_draws;

struct walk {
    df_eval *e;
    const df_eval_settings *set;
    int64_t dim[4]; /* of the latents: n, channels, h, w */
    int64_t n, row; /* pictures, elements of one's latents */
    int n_calls;
    bool guided; /* then the model takes 2 * n rows: unconditional ones first */
    float *context; /* [model rows][tokens][width] */
    float **noise; /* [n_noise][n][row] */
    int n_noise;
    df_sampler **samplers; /* [n] */
    row_draws *draws; /* [n] */
    float *model_in, *model_out, *timestep; /* [model rows][...] */
    float *x; /* [n][row] */
    float *timesteps, *latents, *outputs; /* results, [n_calls][...] */
};

static int64_t model_rows(const walk *w) {
    return w->guided ? 2 * w->n : w->n;
}

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    row_draws *d = ctx;
    if (d->next >= d->w->n_noise)
        return df_err_set(err, DF_ENOTFOUND,
                          "%s: tensor 'noise.%d' is missing: the sampler makes more draws than the "
                          "%d that are there",
                          d->w->e->in.path, d->next, d->w->n_noise);
    memcpy(out, d->w->noise[d->next++] + d->row * d->w->row, n * sizeof *out);
    return DF_OK;
}

static df_code read_noise(walk *w, df_err *err) {
    char name[32];
    while (snprintf(name, sizeof name, "noise.%d", w->n_noise), df_eval_has(&w->e->in, name)) w->n_noise++;
    int n = w->n_noise;
    w->n_noise = 0; /* counts what is owned */
    if (!(w->noise = calloc((size_t)n + 1, sizeof *w->noise))) return df_err_set(err, DF_ENOMEM, "%d draws", n);
    for (; w->n_noise < n; w->n_noise++) {
        snprintf(name, sizeof name, "noise.%d", w->n_noise);
        df_code rc = df_eval_read_f32(&w->e->in, name, w->dim, 4, &w->noise[w->n_noise], err);
        if (rc) return rc;
    }
    return DF_OK;
}

/* The start: `latents`, or the first of the draws. */
static df_code read_start(walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    w->dim[0] = w->dim[2] = w->dim[3] = DF_ANY;
    w->dim[1] = info->latent_channels;
    bool given = df_eval_has(&w->e->in, "latents");
    df_code rc = df_eval_read_f32(&w->e->in, given ? "latents" : "noise.0", w->dim, 4, &w->x, err);
    if (rc) return rc;
    w->n = w->dim[0];
    w->row = w->dim[1] * w->dim[2] * w->dim[3];
    if ((rc = read_noise(w, err))) return rc;
    if (!(w->draws = calloc((size_t)w->n, sizeof *w->draws))) return df_err_set(err, DF_ENOMEM, "draws");
    for (int64_t r = 0; r < w->n; r++) w->draws[r] = (row_draws) { .w = w, .row = r, .next = given ? 0 : 1 };
    return DF_OK;
}

static df_code read_context(walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    int64_t dim[3] = { w->n, info->max_tokens, info->text_width };
    size_t bytes = sizeof(float) * (size_t)(dim[0] * dim[1] * dim[2]);
    float *cond = NULL, *uncond = NULL;
    df_code rc = df_eval_read_f32(&w->e->in, "cond", dim, 3, &cond, err);
    if (!rc && w->guided) rc = df_eval_read_f32(&w->e->in, "uncond", dim, 3, &uncond, err);
    if (!rc && !(w->context = malloc(w->guided ? 2 * bytes : bytes))) rc = df_err_set(err, DF_ENOMEM, "text states");
    if (!rc && w->guided) memcpy(w->context, uncond, bytes);
    if (!rc) memcpy((char *)w->context + (w->guided ? bytes : 0), cond, bytes);
    free(cond);
    free(uncond);
    return rc;
}

static df_code open_samplers(walk *w, df_err *err) {
    df_scheduler sched;
    df_code rc = df_eval_scheduler(&sched, w->e, w->set, err);
    if (rc) return rc;
    if (!(w->samplers = calloc((size_t)w->n, sizeof *w->samplers))) return df_err_set(err, DF_ENOMEM, "samplers");
    for (int64_t r = 0; r < w->n && !rc; r++)
        rc = df_sampler_new(&w->samplers[r], &sched, w->set->steps, w->set->eta, (size_t)w->row, err);
    if (!rc) w->n_calls = df_sampler_n_calls(w->samplers[0]);
    return rc;
}

static df_code reserve(walk *w, df_err *err) {
    size_t rows = (size_t)model_rows(w);
    int64_t dim[5] = { w->n_calls, w->dim[0], w->dim[1], w->dim[2], w->dim[3] };
    w->model_in = calloc(rows * (size_t)w->row, sizeof *w->model_in);
    w->model_out = calloc(rows * (size_t)w->row, sizeof *w->model_out);
    w->timestep = calloc(rows, sizeof *w->timestep);
    if (!w->model_in || !w->model_out || !w->timestep) return df_err_set(err, DF_ENOMEM, "%zu rows", rows);
    df_code rc = df_eval_output(&w->e->out, "timesteps", DF_F32, dim, 1, &w->timesteps, err);
    if (!rc) rc = df_eval_output(&w->e->out, "latents", DF_F32, dim, 5, &w->latents, err);
    if (!rc) rc = df_eval_output(&w->e->out, "model_output", DF_F32, dim, 5, &w->outputs, err);
    return rc;
}

static void prepare_call(walk *w, int call) {
    w->timesteps[call] = df_sampler_timestep(w->samplers[0], call);
    for (int64_t m = 0; m < model_rows(w); m++) {
        int64_t r = m % w->n;
        df_sampler_scale_input(w->samplers[r], call, w->x + r * w->row, w->model_in + m * w->row);
        w->timestep[m] = df_sampler_timestep(w->samplers[r], call);
    }
}

/* The U-Net's rows to one guided output per picture. */
static void guide(walk *w, float *out) {
    if (!w->guided) {
        memcpy(out, w->model_out, sizeof *out * (size_t)(w->n * w->row));
        return;
    }
    for (int64_t r = 0; r < w->n; r++) {
        const float *uncond = w->model_out + r * w->row, *cond = w->model_out + (w->n + r) * w->row;
        df_guidance(cond, uncond, (float)w->set->guidance, out + r * w->row, (size_t)w->row);
        df_guidance_rescale(out + r * w->row, cond, w->set->guidance_rescale, (size_t)w->row);
    }
}

static df_code step(walk *w, int call, int program, df_err *err) {
    df_eval_port in[] = { { "sample", w->model_in },
                          { "timestep", w->timestep },
                          { "encoder_hidden_states", w->context } };
    float *guided = w->outputs + call * w->n * w->row;
    prepare_call(w, call);
    df_code rc = df_eval_runner_run(w->e->runner, program, model_rows(w), in, 3,
                                    &(df_eval_port) { "out", w->model_out }, 1, err);
    if (rc) return rc;
    guide(w, guided);
    for (int64_t r = 0; r < w->n && !rc; r++)
        rc = df_sampler_step(w->samplers[r], call, guided + r * w->row, w->x + r * w->row, draw, &w->draws[r], err);
    if (!rc) memcpy(w->latents + call * w->n * w->row, w->x, sizeof *w->x * (size_t)(w->n * w->row));
    return rc;
}

static df_code denoise(walk *w, df_err *err) {
    int program;
    df_code rc = df_eval_runner_load(w->e->runner, DF_UNET, w->dim[2], w->dim[3], &program, err);
    for (int64_t r = 0; r < w->n; r++) {
        float sigma = df_sampler_init_sigma(w->samplers[r]);
        for (int64_t i = 0; i < w->row; i++) w->x[r * w->row + i] *= sigma;
    }
    for (int call = 0; call < w->n_calls && !rc; call++) rc = step(w, call, program, err);
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

static df_code decode(walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    int64_t dim[4] = { w->n, 3, w->dim[2] * info->vae_factor, w->dim[3] * info->vae_factor };
    float *image, *z = w->model_in; /* free by now, and large enough */
    uint8_t *bytes;
    int program;
    df_code rc;
    if ((rc = df_eval_runner_load(w->e->runner, DF_VAE_DECODER, w->dim[2], w->dim[3], &program, err))) return rc;
    if ((rc = df_eval_output(&w->e->out, "decoded", DF_F32, dim, 4, &image, err))) return rc;
    for (int64_t i = 0; i < w->n * w->row; i++) z[i] = w->x[i] / (float)info->scaling_factor;
    if ((rc = df_eval_runner_run(w->e->runner, program, w->n, &(df_eval_port) { "z", z }, 1,
                                 &(df_eval_port) { "image", image }, 1, err)))
        return rc;
    rc = df_eval_output(&w->e->out, "image_u8", DF_U8, (int64_t[]) { dim[0], dim[2], dim[3], 3 }, 4, &bytes, err);
    if (!rc) to_bytes(bytes, image, dim);
    return rc;
}

static void walk_free(walk *w) {
    for (int i = 0; i < w->n_noise; i++) free(w->noise[i]);
    for (int64_t r = 0; w->samplers && r < w->n; r++) df_sampler_free(&w->samplers[r]);
    free(w->noise);
    free(w->samplers);
    free(w->draws);
    free(w->context);
    free(w->model_in);
    free(w->model_out);
    free(w->timestep);
    free(w->x);
}

df_code df_eval_sample(df_eval *e, const df_eval_settings *settings, df_err *err) {
    /* Guidance 1 is the conditional output alone; so it is below 1, as diffusers has it. */
    walk w = { .e = e, .set = settings, .guided = settings->guidance > 1 };
    df_code rc;
    if ((rc = read_start(&w, err))) goto done;
    if ((rc = read_context(&w, err))) goto done;
    if ((rc = open_samplers(&w, err))) goto done;
    if ((rc = reserve(&w, err))) goto done;
    if ((rc = denoise(&w, err))) goto done;
    rc = decode(&w, err);
done:
    walk_free(&w);
    return rc;
}

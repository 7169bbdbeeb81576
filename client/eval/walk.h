/* Inside `eval --call sample`: one sampling run. */
#ifndef DF_CLIENT_EVAL_WALK_H
#define DF_CLIENT_EVAL_WALK_H

#include "client/eval/conditions.h"
#include "engine/samplers/sampler.h"

typedef struct df_walk df_walk;

/* A stored draw: a tensor noise.K, its rows those of the pictures. */
typedef struct df_walk_noise {
    float *values; /* [n][row] */
    int64_t row;
} df_walk_noise;

/* The draws of one row, in order. */
typedef struct df_row_draws {
    const df_walk *w;
    int64_t row;
    int next;
} df_row_draws;

struct df_walk {
    df_eval *e;
    const df_eval_settings *set;
    df_eval_task task; /* never DF_EVAL_TASK_MODEL */
    int64_t dim[4]; /* of the latents: n, channels, h, w */
    int64_t n, row; /* pictures, elements of one's latents */
    int64_t plane; /* h * w */
    bool guided; /* then the model takes 2 * n rows: unconditional ones first */
    df_eval_conditions conditions;
    df_walk_noise *noise; /* [n_noise] */
    int n_noise;
    df_sampler **samplers; /* [n] */
    df_row_draws *draws; /* [n] */
    int first_call, n_calls; /* of the sampler; the run makes calls first_call..n_calls-1 */
    float *x; /* latents [n][row] */
    float *beside; /* what sample holds behind the latents [n][beside_row]; NULL: nothing */
    int64_t beside_row;
    bool scale_beside; /* scaled as the latents are, before each call */
    /* Latent blending, where a model made for text repaints: the clean source, its noise, the mask. */
    float *source, *source_noise; /* [n][row]; NULL: no blending */
    float *mask; /* [plane], 1: repaint */
    float *model_in, *model_out, *timestep; /* [model rows][...] */
    float *timesteps, *latents, *outputs; /* results, [calls][...] */
};

/* Which task it is, the size of the latents and the draws. */
df_code df_walk_read_size(df_walk *w, df_err *err);
/* x and what the task has beside it; the samplers are there. Draws noise in the order of diffusers. */
df_code df_walk_start(df_walk *w, df_err *err);

/* The next draw of a row; ctx is its df_row_draws. */
df_code df_walk_draw(void *ctx, float *out, size_t n, df_err *err);

#endif

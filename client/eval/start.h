/* What a sampling run is given to start with: latents or the draws that replace them, pictures, and how large all is.
 */
#ifndef DF_CLIENT_EVAL_START_H
#define DF_CLIENT_EVAL_START_H

#include "client/eval/calls.h"
#include "engine/image/image.h"
#include "engine/models/task.h"

/* A stored draw: a tensor noise.K, its rows those of the pictures. */
typedef struct df_eval_noise {
    float *values; /* [n][row] */
    int64_t row;
} df_eval_noise;

typedef struct df_eval_start {
    const char *path; /* of the inputs, for messages; borrowed */
    df_task task;
    int64_t dim[4]; /* of the latents: n, channels, h, w */
    float *latents; /* [n][channels * h * w]; NULL: they are drawn */
    df_eval_noise *noise; /* [n_noise] */
    int n_noise;
    df_image image, mask; /* pixels NULL where there is none; of the inputs, borrowed */
} df_eval_start;

/* Frees nothing on an error: df_eval_start_free does. */
df_code df_eval_start_read(df_eval_start *s, const df_eval *e, const df_eval_settings *settings, df_err *err);
void df_eval_start_free(df_eval_start *s);

/* The draws of one picture, in order. */
typedef struct df_eval_draws {
    const df_eval_start *start;
    int64_t row;
    int next;
} df_eval_draws;

df_code df_eval_draw(void *draws, float *out, size_t n, df_err *err); /* a df_draw_fn */

#endif

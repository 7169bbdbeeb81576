/* Operations on vectors of f32 numbers (latents, what a model says, noise) in a place: the host's memory, or a
 * device's. Samplers and walks are written over this table, so that their numbers can stay where the model computes.
 *
 *   x = v.ops->alloc(v.ctx, n * sizeof *x, &err);  v.ops->combine(v.ctx, x, ...);  v.ops->free(v.ctx, x);
 *
 * Coefficients are computed by the host, for which a vector is an address and no more; read() tells what is in it.
 * Operations happen in the order of the calls. On a device they are enqueued and the host goes on: an error is kept and
 * told by the next call that returns a code. Arithmetic is f32, each product, sum and quotient rounded once, in the
 * order that is written here, so a walk's bytes do not depend on the place (but for rescale, whose sums a device takes
 * in another order). An output may be any of the operands. Threads: one at a time. */
#ifndef DF_ENGINE_SAMPLERS_VECTORS_H
#define DF_ENGINE_SAMPLERS_VECTORS_H

#include <stdint.h>

#include "base/err.h"
#include "engine/dtype.h"
#include "engine/noise/torch_cuda.h"
#include "engine/samplers/prediction.h"

/* Draws n standard normal numbers into the host's memory. */
typedef df_code (*df_draw_fn)(void *ctx, float *out, size_t n, df_err *err);

typedef struct df_draw {
    df_draw_fn fn;
    void *ctx;
} df_draw;

enum { DF_VECTORS_MAX_TERMS = 8 };

typedef struct df_term {
    float by;
    const float *x;
} df_term;

typedef struct df_vectors_ops {
    bool immediate; /* what an operation makes is there when it returns, errors apart: the host's memory */

    void *(*alloc)(void *ctx, size_t bytes, df_err *err); /* zeros, aligned to 16 bytes; NULL: err is set */
    void (*free)(void *ctx, void *p); /* accepts NULL */
    void (*copy)(void *ctx, void *to, const void *from, size_t bytes); /* within the place, no overlap */
    /* To the host's memory. Waits for all that was enqueued: not once a step. */
    df_code (*read)(void *ctx, void *to, const void *from, size_t bytes, df_err *err);
    /* What fn writes into the host's memory; fn is called at once, and its error returned. */
    df_code (*fill)(void *ctx, float *out, size_t n, df_draw draw, df_err *err);
    /* What df_torch_cuda_normal(g, out, n) draws, up to the device's sine, cosine and logarithm; g goes on. NULL where
     * the numbers are drawn by the host as well. */
    df_code (*normal)(void *ctx, float *out, size_t n, df_torch_cuda *g, df_err *err);

    /* out = (..(by[0] * x[0] + by[1] * x[1]) + ..), 1 to DF_VECTORS_MAX_TERMS terms. By 1 and -1 is exact. */
    void (*combine)(void *ctx, float *out, const df_term *terms, int n_terms, size_t n);
    void (*predict)(void *ctx, float *out, df_predicted what, df_prediction kind, float a, float b, const float *x,
                    const float *predicted, size_t n); /* df_predicted_of */
    void (*divide)(void *ctx, float *out, const float *x, const float *y, float by,
                   size_t n); /* (x - y) / by; y NULL: 0 */
    void (*clip)(void *ctx, float *x, float limit, size_t n); /* to +-limit */
    /* x = (1 - mask) * under + mask * x; mask [plane], one for every channel. */
    void (*blend)(void *ctx, float *x, const float *under, const float *mask, size_t n, size_t plane);
    void (*guide)(void *ctx, float *out, const float *cond, const float *uncond, float scale,
                  size_t n); /* df_guidance */
    void (*rescale)(void *ctx, float *out, const float *cond, double amount, size_t n); /* df_guidance_rescale */

    /* To and from values of a stage, channels last and of its type: df_activations_write, df_activations_read. They lie
     * in the place's memory too, aligned to 16 bytes. */
    void (*to_stage)(void *ctx, void *out, df_dtype type, const float *x, size_t C, size_t area);
    void (*from_stage)(void *ctx, float *out, df_dtype type, const void *x, size_t C, size_t area);
    /* Order with a stage's stream (df_stage_stream): what is enqueued here from now on comes behind all that it has
     * been given; what it is given from now on comes behind all that is enqueued here. NULL: no stream. */
    void (*after)(void *ctx, void *stream);
    void (*before)(void *ctx, void *stream);

    /* *bad = 1 if a number is not finite, else it stays as it is. */
    void (*find_not_finite)(void *ctx, int32_t *bad, const float *x, size_t n);
} df_vectors_ops;

typedef struct df_vectors {
    const df_vectors_ops *ops;
    void *ctx;
} df_vectors;

extern const df_vectors df_vectors_host;

/* Numbers of the host's memory. */
df_code df_vectors_upload(const df_vectors *v, float *out, const float *from, size_t n, df_err *err);
/* By g where it is given and the place can, else by draw. */
df_code df_vectors_draw(const df_vectors *v, float *out, size_t n, df_draw draw, df_torch_cuda *g, df_err *err);

#endif

/* The renderer: image requests in, finished pictures out, over a pipeline. Runs on rank 0.
 *
 *   df_renderer_open(&r, pipeline, model, &cfg, &err);
 *   df_renderer_add(r, id, &request, &err);            any time, as long as df_renderer_room(r) > 0
 *   while (df_renderer_busy(r)) df_renderer_step(r, 1000, &err);        on_image, on_step, on_failed are called from
 * here df_renderer_close(&r);
 *
 * Every image is a row with its own task, prompt, seed, size, steps, guidance, sampler and noise; rows of one size
 * share micro-batches whatever their tasks, join when there is room and leave when they are done, between two steps.
 * Each distinct prompt is encoded once by each text encoder. What is drawn in which order: engine/sampling/walk.h.
 * Guidance up to 1 takes one model row, above it two (uncond, cond), as in diffusers. Every model output is checked for
 * NaN and Inf; a picture is checked for flatness. A request that cannot be rendered fails alone, with its reason; so do
 * those of a micro-batch whose kernel failed. The bytes of a picture depend on model, request, dtype and backend only.
 */
#ifndef DF_CLUSTER_RENDERER_H
#define DF_CLUSTER_RENDERER_H

#include "cluster/pipeline.h"
#include "engine/adapters/adapter.h"
#include "engine/image/image.h"
#include "engine/models/task.h"
#include "engine/noise/noise.h"
#include "engine/samplers/sampler.h"

typedef struct df_renderer df_renderer;

/* What it points to is borrowed during df_renderer_add. */
typedef struct df_request {
    df_task task;
    const char *prompt,
        *negative; /* UTF-8. No negative, or "": what the pipeline takes then, the empty text or zeros */
    df_prompt_syntax syntax; /* of both */
    uint64_t seed;
    int width, height; /* of the finished picture, pixels; 0: the picture's, else the model's */
    int steps;
    double guidance;
    double guidance_rescale; /* 0..1; 0: none */
    double eta; /* DDIM, TCD: 0..1 */
    df_scheduler scheduler;
    df_noise_kind noise;
    const df_image *image; /* RGB, width x height; upscale: of the size that becomes width x height */
    const df_image *mask; /* inpaint: 1 channel, width x height; from 128 on it is drawn anew */
    double strength; /* img2img, inpaint: share of the steps that is taken, above 0, up to 1 */
    int class_label; /* class: 0..n_classes-2 */
    int noise_level; /* upscale, where the model takes one */
    const df_adapter_use *adapters; /* [n_adapters] in the order they apply */
    int n_adapters;
    /* Where this row's normal numbers come from; NULL: the generator `noise` of `seed`. draw_ctx lives as long as the
     * row. */
    df_draw_fn draw;
    void *draw_ctx;
} df_request;

enum { DF_FLAG_FLAT = 1, DF_FLAG_PROMPT_CUT = 2 }; /* of a finished picture; metadata lists them by name */

typedef struct df_picture {
    const uint8_t *rgb; /* [height][width][3], valid during the callback */
    int width, height;
    unsigned flags;
    double seconds; /* from first step to decoded, for runs.jsonl */
} df_picture;

typedef struct df_renderer_cfg {
    int micro_batch; /* images per micro-batch, 1..max_rows/2 */
    /* A picture that takes more memory than whole_bytes to be decoded whole is decoded in tiles of `tile` pixels a side
     * (engine/tiles/tiled_decoder.h). 0: DF_TILES_WHOLE_BYTES, DF_TILE_PIXELS; a farm uses these, as they make the
     * picture. */
    size_t whole_bytes;
    int tile;
    void *ctx;
    void (*on_image)(void *ctx, uint64_t id, const df_picture *picture);
    void (*on_step)(void *ctx, uint64_t id, int step, int n_steps); /* may be NULL */
    void (*on_failed)(void *ctx, uint64_t id, const df_err *why);
} df_renderer_cfg;

/* DF_EUNSUPPORTED, with the reason, for a model of which no task can be rendered. Which tasks the others can do:
 * df_model_can. */
df_code df_renderer_check(const df_model *model, df_err *err);

df_code df_renderer_open(df_renderer **out, df_pipeline *pipeline, const df_model *model, const df_renderer_cfg *cfg,
                         df_err *err);
void df_renderer_close(df_renderer **r); /* drops what is in flight, without callbacks */

int df_renderer_room(const df_renderer *r); /* how many more requests keep all slots full */
/* Errors are the request's (a task that the model cannot do, a picture that is missing or of another size, a class out
 * of range, a strength that leaves no step, bad size or steps, out of memory); no callback follows. */
df_code df_renderer_add(df_renderer *r, uint64_t id, const df_request *request, df_err *err);
bool df_renderer_busy(const df_renderer *r);
/* Advances by about one segment; waits at most timeout_us when there is nothing to do. An error here is the pipeline's:
 * the renderer is then of no more use. */
df_code df_renderer_step(df_renderer *r, int64_t timeout_us, df_err *err);
void df_renderer_cancel(df_renderer *r,
                        uint64_t id); /* the row is dropped, at its next step if it is in one; no callback */

#endif

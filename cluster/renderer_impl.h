/* Inside the renderer (cluster/ only). */
#ifndef DF_CLUSTER_RENDERER_IMPL_H
#define DF_CLUSTER_RENDERER_IMPL_H

#include "cluster/prompt_cache.h"
#include "cluster/renderer.h"
#include "cluster/row.h"
#include "cluster/schedule.h"
#include "engine/tiles/tiled_decoder.h"

/* What a slot of the pipeline is busy with. */
typedef struct df_batch {
    df_batch_kind kind;
    int encoder; /* text: which of the prompt cache's */
    int program;
    int64_t n_rows[DF_MOST_HALVES]; /* model rows */
    df_half_place *place; /* [2 * max_rows] steps: of image i's model rows, 2i and 2i + 1 */
    int n; /* prompts or images */
    df_prompt **prompts; /* [max_rows] */
    df_row **rows; /* [max_rows] */
} df_batch;

struct df_renderer {
    df_pipeline *pipeline; /* borrowed */
    const df_model *model; /* borrowed */
    df_renderer_cfg cfg;
    df_dtype dtype;
    df_component encoder[DF_MAX_TOKENIZERS]; /* [n_encoders] text encoders of the model */
    int n_encoders;
    df_prompt_cache *prompts;
    df_row *rows; /* oldest first: a row goes to the end when it becomes ready again */
    int n_rows;
    df_batch *batches; /* [slots] */
    int n_busy;
    df_tiled_decoder *tiles; /* of the row in `tiled` */
    df_row *tiled; /* NULL: no row is decoded in tiles now */
    int due_h, due_w; /* latents that are decoded in tiles, or not: `due` */
    bool due;
    int64_t since_ns; /* when the work between passes that no span tells of yet began */
    uint8_t *rgb; /* of one picture */
    size_t rgb_bytes;
};

/* renderer_rows.c */
void df_renderer_append(df_renderer *r, df_row *row);
void df_renderer_to_end(df_renderer *r, df_row *row);
void df_renderer_drop(df_renderer *r, df_row *row);
void df_renderer_fail(df_renderer *r, df_row *row, const df_err *why); /* tells, then drops */

/* renderer_batch.c: what to start in a free slot, and what to do with what has ended. */
/* *started: a micro-batch is on its way in `slot`. */
df_code df_batch_start(df_renderer *r, int slot, bool *started, df_err *err);
/* failure: NULL, or why the whole micro-batch failed. */
df_code df_batch_finish(df_renderer *r, int slot, const df_err *failure, df_err *err);
/* For both kinds of micro-batches: loads the program a batch needs. *later: nothing is wrong, but all places are taken
 * by programs that run. why: the reason if it cannot be loaded, which is no error of the renderer. */
df_code df_batch_load(df_renderer *r, df_batch *b, df_component c, const df_graph_size *size, bool *later, df_err *why,
                      df_err *err);
void df_renderer_trace(df_renderer *r); /* what was done since since_ns, which is now */
/* What one row of a micro-batch has made of a port, in the activation type. */
const void *df_batch_output(const df_renderer *r, const df_batch *b, int slot, const char *port, df_half_place at);
df_code df_batch_run(df_renderer *r, df_batch *b, int slot, bool *started, df_err *err);

/* renderer_text.c: micro-batches of prompts, as above. */
df_code df_text_batch_start(df_renderer *r, int slot, bool *started, df_err *err);
void df_text_batch_finish(df_renderer *r, df_batch *b, int slot, const df_err *failure);

/* renderer_tiles.c: one tile further with the row that is decoded so. *worked: there is one. */
df_code df_tiles_step(df_renderer *r, bool *worked, df_err *err);

/* renderer_picture.c: finished pictures. */
/* image [H][W][3] of dtype; the row is gone afterwards. */
df_code df_renderer_finish_picture(df_renderer *r, df_row *row, const void *image, df_dtype dtype, df_err *err);
df_code df_renderer_finish_decode(df_renderer *r, df_batch *b, int slot, df_err *err);
/* Of a model without an autoencoder: the latents of rows that are sampled are the pictures. */
df_code df_renderer_finish_undecoded(df_renderer *r, df_err *err);

#endif

/* Inside the renderer (cluster/ only). */
#ifndef DF_CLUSTER_RENDERER_IMPL_H
#define DF_CLUSTER_RENDERER_IMPL_H

#include "cluster/prompt_cache.h"
#include "cluster/renderer.h"
#include "cluster/row.h"

typedef enum df_batch_kind { DF_BATCH_NONE, DF_BATCH_TEXT, DF_BATCH_STEP, DF_BATCH_DECODE } df_batch_kind;

/* What a slot of the pipeline is busy with. */
typedef struct df_batch {
    df_batch_kind kind;
    int program;
    int64_t n_rows; /* model rows */
    int n; /* prompts or images */
    df_prompt **prompts; /* [max_rows] */
    df_row **rows; /* [max_rows] */
} df_batch;

struct df_renderer {
    df_pipeline *pipeline; /* borrowed */
    const df_model *model; /* borrowed */
    df_renderer_cfg cfg;
    df_dtype dtype;
    size_t text_bytes; /* encoder_hidden_states of one row */
    df_prompt_cache *prompts;
    df_row *rows; /* oldest first: a row goes to the end when it becomes ready again */
    int n_rows;
    df_batch *batches; /* [slots] */
    int n_busy;
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

#endif

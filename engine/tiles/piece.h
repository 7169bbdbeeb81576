/* A graph with its stage, run for one row at a time. */
#ifndef DF_ENGINE_TILES_PIECE_H
#define DF_ENGINE_TILES_PIECE_H

#include "engine/backend/backend.h"
#include "engine/graph/graph.h"
#include "engine/tiles/tiled_decoder.h"
#include "engine/weights/weights.h"

typedef struct df_piece df_piece;

/* graph: finished and fused; the piece's from here on, also where this fails. */
df_code df_piece_open(df_piece **out, df_graph *graph, const df_weights *weights, const df_tiled_decoder_cfg *cfg,
                      df_err *err);
void df_piece_close(df_piece **p);

/* All numbers of an input. */
df_code df_piece_set(df_piece *p, const char *input, const float *numbers, df_err *err);
df_code df_piece_run(df_piece *p, df_err *err);
void df_piece_get(df_piece *p, const char *output, float *numbers);

/* Where they lie, in a piece that computes in f32. */
float *df_piece_input(df_piece *p, const char *name, df_err *err); /* NULL, and DF_EINTERNAL: it has none */
const float *df_piece_output(df_piece *p, const char *name);

#endif

#include "engine/tiles/piece.h"

#include <stdlib.h>
#include <string.h>

#include "engine/exec/stage.h"

struct df_piece {
    df_graph *graph;
    df_cut *cut;
    df_stage *stage;
    df_dtype dtype;
};

df_code df_piece_open(df_piece **out, df_graph *graph, const df_weights *weights, const df_tiled_decoder_cfg *cfg,
                      df_err *err) {
    df_piece *p = calloc(1, sizeof *p);
    if (!p) {
        df_graph_free(&graph);
        return df_err_set(err, DF_ENOMEM, "a piece of the decoder");
    }
    *p = (df_piece) { .graph = graph, .dtype = cfg->backend_cfg.dtype };
    df_code rc = df_cut_whole(&p->cut, graph, err);
    const df_stage_cfg stage = {
        .graph = graph, .cut = p->cut, .weights = weights, .backend = cfg->backend, .backend_cfg = cfg->backend_cfg
    };
    if (!rc) rc = df_stage_open(&p->stage, &stage, err);
    if (!rc) rc = df_stage_reserve(p->stage, 1, 1, err);
    if (rc)
        df_piece_close(&p);
    else
        *out = p;
    return rc;
}

void df_piece_close(df_piece **piece) {
    if (!piece || !*piece) return;
    df_stage_close(&(*piece)->stage);
    df_cut_free(&(*piece)->cut);
    df_graph_free(&(*piece)->graph);
    free(*piece);
    *piece = NULL;
}

static size_t count_of(const df_piece *p, df_value_id v) {
    return (size_t)df_shape_elements(df_graph_shape(p->graph, v));
}

df_code df_piece_set(df_piece *p, const char *input, const float *numbers, df_err *err) {
    df_value_id v = df_graph_find_input(p->graph, input);
    void *to = df_stage_value(p->stage, 0, v, 1);
    if (!to) return df_err_set(err, DF_EINTERNAL, "a piece of the decoder takes no '%s'", input);
    for (size_t i = 0, n = count_of(p, v); i < n; i++) df_dtype_store(p->dtype, to, i, (double)numbers[i]);
    return DF_OK;
}

df_code df_piece_run(df_piece *p, df_err *err) {
    return df_stage_run(p->stage, 0, 0, 1, err);
}

void df_piece_get(df_piece *p, const char *output, float *numbers) {
    df_value_id v = df_graph_find_output(p->graph, output);
    const void *from = df_stage_value(p->stage, 0, v, 1);
    for (size_t i = 0, n = count_of(p, v); i < n; i++) numbers[i] = (float)df_dtype_load(p->dtype, from, i);
}

float *df_piece_input(df_piece *p, const char *name, df_err *err) {
    float *at = df_stage_value(p->stage, 0, df_graph_find_input(p->graph, name), 1);
    if (!at) df_err_set(err, DF_EINTERNAL, "a piece of the decoder takes no '%s'", name);
    return at;
}

const float *df_piece_output(df_piece *p, const char *name) {
    return df_stage_value(p->stage, 0, df_graph_find_output(p->graph, name), 1);
}

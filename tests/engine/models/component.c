#include "tests/engine/models/component.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/graph/fuse.h"

static void must(df_code rc, const df_err *err) {
    if (rc) fail_msg("%s: %s", df_code_name(rc), err->text);
}

/* Takes g over. */
static component start(df_graph *g, const df_weights *weights, const backend_case *b, int64_t n_rows) {
    component o = { .graph = g, .dtype = b->dtype, .n = n_rows };
    df_err err = { 0 };
    must(df_cut_whole(&o.cut, o.graph, &err), &err);
    df_stage_cfg cfg = {
        .graph = o.graph,
        .cut = o.cut,
        .weights = weights,
        .backend = df_backend_find(b->backend),
        .backend_cfg = { .dtype = b->dtype, .threads = 2 },
    };
    must(df_stage_open(&o.stage, &cfg, &err), &err);
    must(df_stage_reserve(o.stage, n_rows, 1, &err), &err);
    return o;
}

component component_open(const df_model *m, df_component c, int h, int w, const backend_case *b, int64_t n_rows) {
    df_graph *g = NULL;
    df_err err = { 0 };
    must(df_model_graph(m, c, h, w, &g, &err), &err);
    return start(g, df_model_weights(m, c), b, n_rows);
}

component component_of_graph(df_graph *g, const char *weights_dir, const backend_case *b, int64_t n_rows) {
    df_weights *weights = NULL;
    df_err err = { 0 };
    must(df_graph_finish(g, &err), &err);
    must(df_graph_fuse(g, &err), &err);
    must(df_weights_open(&weights, weights_dir, "diffusion_pytorch_model", &err), &err);
    component o = start(g, weights, b, n_rows);
    df_weights_close(&weights);
    return o;
}

void component_close(component *c) {
    df_stage_close(&c->stage);
    df_cut_free(&c->cut);
    df_graph_free(&c->graph);
}

/* Place in [H][W][C] of element i of [C][H][W]. */
static int64_t place(const df_shape *s, int64_t i) {
    if (s->rank != 3) return i;
    int64_t plane = s->dim[0] * s->dim[1];
    return i % plane * s->dim[2] + i / plane;
}

void component_set(component *c, const char *port, const float *rows) {
    df_value_id v = df_graph_find_input(c->graph, port);
    assert_true(v >= 0);
    df_shape shape = df_graph_shape(c->graph, v);
    int64_t row = df_shape_elements(shape);
    df_dtype type = df_value_held_as(&c->graph->values[v], c->dtype);
    void *dst = df_stage_value(c->stage, 0, v, c->n);
    assert_non_null(dst);
    for (int64_t r = 0; r < c->n; r++)
        for (int64_t i = 0; i < row; i++) {
            int64_t at = r * row + place(&shape, i);
            df_dtype_store(type, dst, (size_t)at, (double)rows[r * row + i]);
        }
}

void component_set_ids(component *c, const char *port, const int32_t *rows) {
    df_value_id v = df_graph_find_input(c->graph, port);
    assert_true(v >= 0);
    memcpy(df_stage_value(c->stage, 0, v, c->n), rows,
           sizeof *rows * (size_t)(c->n * df_shape_elements(df_graph_shape(c->graph, v))));
}

void component_run(component *c) {
    df_err err = { 0 };
    for (int s = 0; s < c->cut->n_segments; s++) must(df_stage_run(c->stage, 0, s, c->n, &err), &err);
}

void component_row(float *dst, const void *row, const df_shape *shape, df_dtype dtype) {
    for (int64_t i = 0; i < df_shape_elements(*shape); i++) {
        dst[i] = (float)df_dtype_load(dtype, row, (size_t)place(shape, i));
    }
}

float *component_get(component *c, const char *port, size_t *n_elements) {
    df_value_id v = df_graph_find_output(c->graph, port);
    assert_true(v >= 0);
    df_shape shape = df_graph_shape(c->graph, v);
    int64_t row = df_shape_elements(shape);
    size_t unit = df_dtype_bytes(c->dtype);
    const char *src = df_stage_value(c->stage, 0, v, c->n);
    float *dst = malloc(sizeof *dst * (size_t)(c->n * row));
    if (!src || !dst) fail_msg("output '%s'", port);
    for (int64_t r = 0; r < c->n; r++) component_row(dst + r * row, src + (size_t)(r * row) * unit, &shape, c->dtype);
    *n_elements = (size_t)(c->n * row);
    return dst;
}

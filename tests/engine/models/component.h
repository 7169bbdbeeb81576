/* One component of a model on one stage, with pictures as PyTorch has them: what the golden tests run. */
#ifndef DF_TESTS_ENGINE_MODELS_COMPONENT_H
#define DF_TESTS_ENGINE_MODELS_COMPONENT_H

#include "engine/exec/stage.h"
#include "engine/models/model.h"

/* What the tests run on. */
typedef struct backend_case {
    const char *backend;
    df_dtype dtype;
    const char *label; /* "cpu", "reference", "reference f64" */
} backend_case;

typedef struct component {
    df_graph *graph;
    df_cut *cut;
    df_stage *stage;
    df_dtype dtype;
    int64_t n; /* rows */
} component;

/* Whatever goes wrong fails the running test. */
component component_open(const df_model *m, df_component c, int h, int w, const backend_case *b, int64_t n_rows);
/* The same around a graph that a builder has just filled: finished and fused here, and owned by the component. */
component component_of_graph(df_graph *g, const char *weights_dir, const backend_case *b, int64_t n_rows);
void component_close(component *c);

/* n rows; a picture is NCHW. */
void component_set(component *c, const char *port, const float *rows);
void component_set_ids(component *c, const char *port, const int32_t *rows);
void component_run(component *c);
float *component_get(component *c, const char *port, size_t *n_elements); /* caller frees */

/* One row of a value, [H][W][C], as floats in PyTorch's order; other shapes as they are. */
void component_row(float *dst, const void *row, const df_shape *shape, df_dtype dtype);

#endif

#include "tests/engine/models/inner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_VALUES = 32 };

struct inner_tap {
    const component *c;
    const golden *g;
    const inner_value *values;
    int n;
    float *node[MAX_VALUES], *minus[MAX_VALUES]; /* the first row of each, as PyTorch has it */
};

/* The golden is [1][C][H][W], [1][T][D] or [1][D]; the node has as many elements, channels last. */
static float *first_row(const inner_tap *t, const inner_value *v, const df_node *node, const void *out) {
    const df_tensor_view *ref = golden_view(t->g, v->golden);
    df_shape shape = DF_SHAPE(ref->n_elements);
    if (ref->rank == 4) shape = DF_SHAPE(ref->dim[2], ref->dim[3], ref->dim[1]);
    assert_int_equal(ref->dim[0], 1);
    assert_int_equal(ref->n_elements, df_shape_elements(df_graph_shape(t->c->graph, node->out)));
    float *x = malloc(sizeof *x * (size_t)ref->n_elements);
    if (!x) fail_msg("out of memory");
    component_row(x, out, &shape, t->c->dtype);
    return x;
}

static void on_node(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    inner_tap *t = ctx;
    (void)n_rows;
    for (int i = 0; i < t->n; i++) {
        const inner_value *v = &t->values[i];
        if (strcmp(v->node, node->name) == 0) t->node[i] = first_row(t, v, node, out);
        if (v->minus && strcmp(v->minus, node->name) == 0) t->minus[i] = first_row(t, v, node, out);
    }
}

inner_tap *inner_tap_open(const component *c, const golden *g, const inner_value *values, int n) {
    inner_tap *t = calloc(1, sizeof *t);
    if (!t) fail_msg("out of memory");
    assert_true(n <= MAX_VALUES);
    *t = (inner_tap) { .c = c, .g = g, .values = values, .n = n };
    df_stage_set_tap(c->stage, on_node, t);
    return t;
}

static void compare(const inner_tap *t, int i, double tolerance) {
    const inner_value *v = &t->values[i];
    if (!t->node[i] || (v->minus && !t->minus[i])) fail_msg("%s: the graph has no such value", v->golden);
    size_t n;
    float *ref = golden_f32(t->g, v->golden, &n);
    for (size_t k = 0; v->minus && k < n; k++) t->node[i][k] -= t->minus[i][k];
    for (size_t k = 0; v->silu && k < n; k++) ref[k] = (float)(ref[k] / (1 + exp(-(double)ref[k])));
    golden_compare_f32(v->golden, t->node[i], ref, n, golden_bound(t->g, v->golden, tolerance));
    free(ref);
}

void inner_tap_check(inner_tap *t, double tolerance) {
    df_stage_set_tap(t->c->stage, NULL, NULL);
    for (int i = 0; i < t->n; i++) {
        compare(t, i, tolerance);
        free(t->node[i]);
        free(t->minus[i]);
    }
    free(t);
}

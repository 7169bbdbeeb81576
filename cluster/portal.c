#include "cluster/portal.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGN = 64 };

struct df_portal {
    int n_values;
    size_t *offset; /* [n_values] in a slot; NOWHERE: not there */
    size_t slot_bytes;
    char *data; /* [n_slots][slot_bytes] */
};

#define NOWHERE SIZE_MAX

static void place(df_portal *p, const df_graph *g, df_value_id v, df_dtype dtype, int64_t max_rows) {
    const df_value *value = &g->values[v];
    size_t row = (size_t)df_shape_elements(value->shape) * df_dtype_bytes(df_value_held_as(value, dtype));
    if (p->offset[v] != NOWHERE) return;
    p->offset[v] = p->slot_bytes;
    p->slot_bytes += (row * (size_t)max_rows + ALIGN - 1) / ALIGN * ALIGN;
}

df_code df_portal_open(df_portal **out, const df_graph *g, df_dtype dtype, int64_t max_rows, int n_slots, df_err *err) {
    df_portal *p = calloc(1, sizeof *p);
    if (p) p->offset = calloc((size_t)g->n_values + 1, sizeof *p->offset);
    if (p && p->offset) {
        p->n_values = g->n_values;
        for (int v = 0; v < g->n_values; v++) p->offset[v] = NOWHERE;
        for (int i = 0; i < g->n_inputs; i++) place(p, g, g->inputs[i].value, dtype, max_rows);
        for (int i = 0; i < g->n_outputs; i++) place(p, g, g->outputs[i].value, dtype, max_rows);
        p->data = aligned_alloc(ALIGN, p->slot_bytes * (size_t)n_slots + ALIGN);
    }
    if (!p || !p->data) {
        df_portal_close(&p);
        return df_err_set(err, DF_ENOMEM, "%s: inputs and outputs of the other half", g->name);
    }
    *out = p;
    return DF_OK;
}

void df_portal_close(df_portal **p) {
    if (!p || !*p) return;
    free((*p)->offset);
    free((*p)->data);
    free(*p);
    *p = NULL;
}

void *df_portal_value(const df_portal *p, int slot, df_value_id v) {
    if (v < 0 || v >= p->n_values || p->offset[v] == NOWHERE) return NULL;
    return p->data + (size_t)slot * p->slot_bytes + p->offset[v];
}

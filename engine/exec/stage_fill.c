#include "engine/exec/stage_fill.h"

#include <string.h>

static double number(df_dtype type, size_t i) {
    return type == DF_F64 ? 500 : (double)(i * 2654435761u % 1021) / 510 - 1;
}

void df_stage_fill_value(void *data, size_t n, df_dtype of, df_dtype type) {
    if (type == DF_I32)
        memset(data, 0, n * df_dtype_bytes(type)); /* an id that every vocabulary has */
    else
        for (size_t i = 0; i < n; i++) df_dtype_store(type, data, i, number(of, i));
}

void df_stage_fill_inputs(df_stage *s, const df_graph *g, df_dtype activation, int64_t n_rows) {
    for (int k = 0; k < g->n_inputs; k++) {
        df_value_id v = g->inputs[k].value;
        df_dtype type = df_value_held_as(&g->values[v], activation);
        size_t n = df_stage_value_bytes(s, v, n_rows) / df_dtype_bytes(type);
        df_stage_fill_value(df_stage_value(s, 0, v, n_rows), n, g->values[v].dtype, type);
    }
}

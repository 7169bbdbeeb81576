#include "engine/exec/stage_fill.h"

#include <string.h>

static double number(df_dtype type, size_t i) {
    return type == DF_F64 ? 500 : (double)(i * 2654435761u % 1021) / 510 - 1;
}

void df_stage_fill_inputs(df_stage *s, const df_graph *g, df_dtype activation, int64_t n_rows) {
    for (int k = 0; k < g->n_inputs; k++) {
        df_value_id v = g->inputs[k].value;
        df_dtype type = df_value_held_as(&g->values[v], activation);
        void *data = df_stage_value(s, 0, v, n_rows);
        size_t bytes = df_stage_value_bytes(s, v, n_rows), n = bytes / df_dtype_bytes(type);
        if (type == DF_I32)
            memset(data, 0, bytes); /* an id that every vocabulary has */
        else
            for (size_t i = 0; i < n; i++) df_dtype_store(type, data, i, number(g->values[v].dtype, i));
    }
}

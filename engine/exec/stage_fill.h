/* Numbers for a stage that is run to be timed: activations around 1 in size, a timestep or size of 500, ids of 0. */
#ifndef DF_ENGINE_EXEC_STAGE_FILL_H
#define DF_ENGINE_EXEC_STAGE_FILL_H

#include "engine/exec/stage.h"

/* All inputs of the graph, n_rows of each, in slot 0; activation: the type that the stage holds activations in. */
void df_stage_fill_inputs(df_stage *s, const df_graph *g, df_dtype activation, int64_t n_rows);

/* n numbers of a value that the graph has as `of` and that is held as `type`. */
void df_stage_fill_value(void *data, size_t n, df_dtype of, df_dtype type);

#endif

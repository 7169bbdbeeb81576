/* Rows on their way between PyTorch's layout in F32 and a stage's layout in its compute type. */
#ifndef DF_CLIENT_EVAL_ROWS_H
#define DF_CLIENT_EVAL_ROWS_H

#include "engine/graph/graph.h"

/* n rows of a value; a shape of rank 3, [H][W][C] in the stage, is [C][H][W] outside. activation: the stage's compute
 * type. Outside, ids are I32 and everything else F32. */
void df_rows_in(void *stage, const void *outside, const df_value *v, int64_t n, df_dtype activation);
void df_rows_out(void *outside, const void *stage, const df_value *v, int64_t n, df_dtype activation);

#endif

/* Numbers on their way between PyTorch's layout in f32 and a stage's: channels last, in its activation type. */
#ifndef DF_ENGINE_ACTIVATIONS_H
#define DF_ENGINE_ACTIVATIONS_H

#include "engine/dtype.h"

/* [C][area] f32 to [area][C] of dtype (F64, F32, F16 or BF16), and back. With C or area of 1 the order stays. */
void df_activations_write(void *out, const float *x, size_t C, size_t area, df_dtype dtype);
void df_activations_read(float *out, const void *x, size_t C, size_t area, df_dtype dtype);

#endif

/* The border of `diffarm eval`: safetensors in, safetensors out.
 *
 * A shape is asked for with DF_ANY where the file decides; the sizes found are written back, so that the next tensor
 * can be asked to agree. Errors name file, tensor, its shape and the one that is needed. */
#ifndef DF_CLIENT_EVAL_TENSORS_H
#define DF_CLIENT_EVAL_TENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/weights/safetensors.h"

enum { DF_ANY = -1, DF_EVAL_MAX_OUTPUTS = 256 };

typedef struct df_eval_inputs {
    df_safetensors *file;
    const char *path;
} df_eval_inputs;

bool df_eval_has(const df_eval_inputs *in, const char *name);
/* Caller frees *out. dim[rank]: in, what is needed; out, what is there. */
df_code df_eval_read_f32(const df_eval_inputs *in, const char *name, int64_t *dim, int rank, float **out, df_err *err);
df_code df_eval_read_i32(const df_eval_inputs *in, const char *name, int64_t *dim, int rank, int32_t **out,
                         df_err *err);

/* A tensor of [n] or of [1], which then stands for all n. Caller frees *out[n]. */
df_code df_eval_read_per_row(const df_eval_inputs *in, const char *name, int64_t n, float **out, df_err *err);

typedef struct df_eval_outputs {
    struct df_eval_output {
        char name[32];
        df_dtype dtype;
        int rank;
        int64_t dim[DF_TENSOR_MAX_RANK];
        void *data; /* owned */
    } tensors[DF_EVAL_MAX_OUTPUTS];
    int n;
} df_eval_outputs;

/* Room for a result, zeroed, until df_eval_outputs_free. `data` is the address of a pointer of the element's type. */
df_code df_eval_output(df_eval_outputs *out, const char *name, df_dtype dtype, const int64_t *dim, int rank, void *data,
                       df_err *err);
df_code df_eval_outputs_write(const df_eval_outputs *out, const char *path, df_err *err);
void df_eval_outputs_free(df_eval_outputs *out);

#endif

/* safetensors files: 8 bytes little-endian header length, JSON header, raw row-major data.
 *
 *   df_safetensors_open(&f, path, &err);  t = df_safetensors_find(f, "conv_in.weight");  df_safetensors_close(&f);
 *
 * The file is mapped read-only and every header field is checked before use: length against the file and a limit,
 * known dtype, non-negative shape without overflow, offsets inside the file, their span equal to shape times dtype,
 * no two tensors overlapping, no name twice. A pickle or zip checkpoint (.ckpt, .bin, .pt) is refused with a message
 * that says so. Data may lie unaligned: read it through df_tensor_to_f32 and df_tensor_to_i32.
 * The format also forbids holes between tensors. They are taken all the same: bytes that no tensor names are never
 * read, and some writers pad. An overlap is refused: it lets a small file claim any amount of data.
 * A file that shrinks under the mapping is checked for on open only. */
#ifndef DF_ENGINE_WEIGHTS_SAFETENSORS_H
#define DF_ENGINE_WEIGHTS_SAFETENSORS_H

#include <stdint.h>

#include "base/err.h"
#include "engine/dtype.h"

#define DF_TENSOR_MAX_RANK 8

typedef struct df_tensor_view {
    const char *name; /* owned by the file */
    df_dtype dtype;
    int rank; /* 0 for a scalar */
    int64_t dim[DF_TENSOR_MAX_RANK];
    int64_t n_elements;
    const void *data; /* in the mapping, maybe unaligned */
} df_tensor_view;

typedef struct df_safetensors df_safetensors;

df_code df_safetensors_open(df_safetensors **out, const char *path, df_err *err);
/* The same from memory (fuzz tests); data is borrowed and outlives the object; path is for messages. */
df_code df_safetensors_open_memory(df_safetensors **out, const void *data, size_t bytes, const char *path, df_err *err);
void df_safetensors_close(df_safetensors **f);

int df_safetensors_count(const df_safetensors *f);
const df_tensor_view *df_safetensors_at(const df_safetensors *f, int i); /* in name order */
const df_tensor_view *df_safetensors_find(const df_safetensors *f, const char *name); /* NULL if absent */

/* The string of that key under __metadata__, NULL if absent; owned by the file. */
const char *df_safetensors_metadata(const df_safetensors *f, const char *key);

/* All elements converted to f32 / i32 (I64 that do not fit: DF_EFORMAT) into dst[n_elements]. */
df_code df_tensor_to_f32(const df_tensor_view *t, float *dst, df_err *err);
df_code df_tensor_to_i32(const df_tensor_view *t, int32_t *dst, df_err *err);

/* The pages of t leave this process's memory (they stay in the system's cache); reading t again brings them back. t is
 * a view into f. Safe beside readers on other threads. */
void df_safetensors_forget(const df_safetensors *f, const df_tensor_view *t);

/* "[320, 4, 3, 3]" into out[out_bytes]; returns out. */
char *df_shape_text(char *out, size_t out_bytes, const int64_t *dim, int rank);

/* Writing: collects borrowed tensors, then writes the file whole or not at all. Names unique. The bytes depend on the
 * tensors and metadata alone, not on the order of adding: wide types first, so that data is aligned, then by name. */
typedef struct df_safetensors_writer df_safetensors_writer;
df_safetensors_writer *df_safetensors_writer_new(void);
void df_safetensors_writer_free(df_safetensors_writer **w);
df_code df_safetensors_writer_add(df_safetensors_writer *w, const char *name, df_dtype dtype, const int64_t *dim,
                                  int rank, const void *data, df_err *err); /* data borrowed until written */
/* Python loaders want "format": "pt". */
df_code df_safetensors_writer_metadata(df_safetensors_writer *w, const char *key, const char *value, df_err *err);
df_code df_safetensors_writer_write(df_safetensors_writer *w, const char *path, df_err *err);

#endif

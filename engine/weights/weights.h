/* The weights of one component: one safetensors file, or several behind an index.
 *
 *   df_weights_open(&w, "models/starter/unet", "diffusion_pytorch_model", &err);
 *   df_weights_read_f32(w, "conv_in.weight", dim, rank, dst, &err);
 *
 * In DIR it looks for STEM.safetensors, then STEM.safetensors.index.json (its shards), then STEM.VARIANT.safetensors
 * (fp16). If there is only a pickle file (STEM.bin, .ckpt, .pt) the error says that pickle can run code, is refused,
 * and how to convert. Files are mapped: only what is read is touched, so a rank loads its own stages' tensors only. */
#ifndef DF_ENGINE_WEIGHTS_WEIGHTS_H
#define DF_ENGINE_WEIGHTS_WEIGHTS_H

#include <stdbool.h>

#include "engine/weights/safetensors.h"

typedef struct df_weights df_weights;

/* A tensor of a file under another name: whole, or one of `pieces` equal pieces of its rows, or a matrix
 * transposed, or with the halves of its rows exchanged. */
typedef struct df_weights_alias {
    char name[256];
    int piece, pieces; /* pieces 0 or 1: whole */
    bool transposed;
    bool halves_swapped; /* the first half of its rows is stored behind the second */
} df_weights_alias;

enum { DF_WEIGHTS_MAX_ALIASES = 3 };

/* The *n <= DF_WEIGHTS_MAX_ALIASES names that a tensor of the file has; 0: it is none of these weights. */
typedef void (*df_weights_rename_fn)(void *ctx, const char *file_name, df_weights_alias *out, int *n);

/* One file whose tensors go by other names. DF_ENOTFOUND: none has one. DF_EFORMAT: two have the same. */
df_code df_weights_open_renamed(df_weights **out, const char *path, df_weights_rename_fn rename_tensor, void *ctx,
                                df_err *err);
df_code df_weights_open(df_weights **out, const char *dir, const char *stem, df_err *err);
/* Without a file: every tensor that is asked for is there, in the shape that is asked for (invented.h); none is
 * listed. dir: for messages. */
df_code df_weights_open_invented(df_weights **out, const char *dir, df_err *err);
bool df_weights_are_invented(const df_weights *w);
void df_weights_close(df_weights **w);

/* For names, types and shapes; numbers are read with df_weights_read_f32. NULL if absent. Where `name` is absent and is
 * one of the historical names (VAE attention query/key/value/proj_attn for to_q/to_k/to_v/to_out.0; text encoders
 * without "text_model.", as transformers 5 writes them; "encoder.embed_tokens.weight" for T5's "shared.weight") the
 * other name is looked up. */
const df_tensor_view *df_weights_find(const df_weights *w, const char *name);
int df_weights_count(const df_weights *w);
const df_tensor_view *df_weights_at(const df_weights *w, int i); /* in name order */

/* Called for every tensor that is read, with its name in the file and its numbers, dst of shape dim. */
typedef df_code (*df_weights_patch_fn)(void *ctx, const char *name, const int64_t *dim, int rank, float *dst,
                                       df_err *err);
void df_weights_set_patch(df_weights *w, df_weights_patch_fn patch, void *ctx); /* ctx: borrowed, outlives w */

/* Makes a table longer: what the file has as [rows][width] is read from now on as its first `kept` rows and, behind
 * them, added[n][width]. added: borrowed, outlives w. DF_ENOTFOUND, DF_ESHAPE: there is no such table, or its rows are
 * fewer. */
df_code df_weights_append(df_weights *w, const char *name, int64_t kept, const float *added, int64_t n, int64_t width,
                          df_err *err);

int64_t df_weights_parameters(const df_weights *w); /* elements of all tensors */
int64_t df_weights_bytes(const df_weights *w); /* as stored */

/* Finds as above, checks the shape and converts to f32; a 1x1 convolution [D][D][1][1] also serves as [D][D]. Errors
 * name file, tensor and both shapes: "FILE: 'conv_in.weight' is [320, 4, 3, 3], the config needs [128, 4, 3, 3]". */
df_code df_weights_read_f32(const df_weights *w, const char *name, const int64_t *dim, int rank, float *dst,
                            df_err *err);

/* The files behind it, for hashing: count and paths. */
int df_weights_n_files(const df_weights *w);
const char *df_weights_file(const df_weights *w, int i);

#endif

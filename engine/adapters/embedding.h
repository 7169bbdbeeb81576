/* Textual inversion files: a word that a model does not know, as vectors for its text encoders.
 * Source: Gal et al. 2022 (arXiv:2208.01618).
 *
 *   df_embedding_open(&e, "cat-toy.safetensors", NULL, &err);
 *   v = df_embedding_vectors(e, 0, 768);                     for the first text encoder, of width 768
 *   df_embedding_close(&e);
 *
 * Layouts: diffusers (one tensor, its name is the token), AUTOMATIC1111 (emb_params), SDXL (clip_l, clip_g); each
 * [width], or [vectors][width] where a token has several. The tensors are checked, numbers too, when it is opened. */
#ifndef DF_ENGINE_ADAPTERS_EMBEDDING_H
#define DF_ENGINE_ADAPTERS_EMBEDDING_H

#include "engine/weights/safetensors.h"

enum { DF_EMBEDDING_MAX_VECTORS = 75 }; /* what a prompt has room for */

typedef struct df_embedding df_embedding;

typedef struct df_embedding_view {
    const df_tensor_view *tensor; /* [n][width] or [width] */
    int64_t n, width;
} df_embedding_view;

/* token: what stands for it in prompts; NULL: as the file says, or the file's name without .safetensors. */
df_code df_embedding_open(df_embedding **out, const char *path, const char *token, df_err *err);
void df_embedding_close(df_embedding **e);

const char *df_embedding_token(const df_embedding *e);

/* What the file has for text encoder `encoder` (0, 1) of that width; tensor is NULL if it has nothing. */
df_embedding_view df_embedding_vectors(const df_embedding *e, int encoder, int64_t width);

/* DF_ESHAPE, with the widths, unless each tensor is for one of the encoders; width[i] 0: there is no such encoder. */
df_code df_embedding_check(const df_embedding *e, const int64_t *width, int n_encoders, df_err *err);

#endif

/* Int8 scales: which products of a denoiser are computed in 8 bits, and how each takes its input. Made by
 * `diffarm calibrate` for one model, used with --dtype int8.
 *
 *   df_int8_scales_open(&s, "MODEL/diffarm-int8.json", &err);
 *   df_int8_scales_apply(s, graph, &err);                     a fused graph of the denoiser
 *   df_int8_scales_close(&s);
 *
 * The file (JSON, docs/int8.md) is never trusted: every field is checked, and a layer that the graph has not, or that
 * is no product, is an error that names it. Threads: read-only after open. */
#ifndef DF_ENGINE_ADAPTERS_INT8_SCALES_H
#define DF_ENGINE_ADAPTERS_INT8_SCALES_H

#include "base/sha256.h"
#include "engine/graph/graph.h"

#define DF_INT8_FORMAT "diffarm int8 scales"
enum { DF_INT8_VERSION = 1, DF_INT8_MAX_LAYERS = 65536 };

typedef struct df_int8_scales df_int8_scales;

/* Where they are: `given` (an option), or, where that is NULL, beside the model: MODEL/diffarm-int8.json of a folder,
 * NAME.int8.json of NAME.safetensors. DF_ENOTFOUND, with the command that makes them, if there is no such file. */
df_code df_int8_scales_find(char *path, size_t path_bytes, const char *model, const char *given, df_err *err);
/* The same place, whether there is a file or not. */
void df_int8_scales_beside(char *path, size_t path_bytes, const char *model);

df_code df_int8_scales_open(df_int8_scales **out, const char *path, df_err *err);
void df_int8_scales_close(df_int8_scales **s);

/* DF_EINVAL, with what to do, if they were made for other weights: model_sha256 is df_model_sha256's. */
df_code df_int8_scales_check_model(const df_int8_scales *s, const char *model_sha256, df_err *err);

/* Sets int8 of the nodes. The nodes that the file lists as kept, and those it does not know, stay as they are. */
df_code df_int8_scales_apply(const df_int8_scales *s, df_graph *g, df_err *err);

/* Could this node be computed in 8 bits? Convolutions and linear layers with sums that fit, but neither the first nor
 * the last ones (what they read is an input of the graph, or their result an output), nor those of a single position:
 * these cost little and matter much. */
bool df_int8_is_candidate(const df_graph *g, const df_node *n);

#endif

/* A model folder in the diffusers layout: its configs, weights and graphs.
 *
 *   df_model_open(&m, "models/starter", &err);                  reads and checks every config; maps, reads no weight
 *   df_model_graph(m, DF_UNET, 16, 16, &g, &err);                graph for latents of 16x16, fused, ready to cut
 *   df_weights *w = df_model_weights(m, DF_UNET);
 *
 * Ports (all channels-last rows, see graph.h; latents h x w):
 *   DF_TEXT_ENCODER  ids [77] I32                               -> hidden.K [77][D] (input of layer K; the last is the
 *                                                                  output before the final norm), last_hidden_state
 *   DF_UNET          sample [h][w][4], timestep [1], encoder_hidden_states [77][D]   -> out [h][w][4]
 *   DF_VAE_ENCODER   image [8h][8w][3]                          -> moments [h][w][8]
 *   DF_VAE_DECODER   z [h][w][4]                                -> image [8h][8w][3]
 * Spatial factors follow the config (the starter's VAE shrinks by 4). Names of nodes are the module paths of
 * diffusers / transformers. Threads: read-only after open. */
#ifndef DF_ENGINE_MODELS_MODEL_H
#define DF_ENGINE_MODELS_MODEL_H

#include "base/sha256.h"
#include "engine/graph/graph.h"
#include "engine/samplers/scheduler.h"
#include "engine/text/tokenizer.h"
#include "engine/weights/weights.h"

typedef enum df_component { DF_TEXT_ENCODER, DF_UNET, DF_VAE_DECODER, DF_VAE_ENCODER, DF_COMPONENT_COUNT } df_component;

typedef struct df_model df_model;

typedef struct df_model_info {
    int latent_channels; /* 4 */
    int vae_factor; /* picture pixels per latent pixel: 8; the starter's 4 */
    int default_width, default_height; /* pixels: sample_size * vae_factor */
    int size_multiple; /* sides must be a multiple of it: vae_factor */
    int max_tokens; /* 77 */
    int vocab_size; /* ids are 0..vocab_size-1 */
    int text_width; /* D of encoder_hidden_states */
    double scaling_factor; /* latents = z * scaling_factor */
    const char *pipeline_class; /* "StableDiffusionPipeline" */
} df_model_info;

/* Errors name the file; a missing one says which component needs it and why. */
df_code df_model_open(df_model **out, const char *dir, df_err *err);
void df_model_close(df_model **m);

const char *df_model_dir(const df_model *m);
const df_model_info *df_model_info_of(const df_model *m);
const df_tokenizer *df_model_tokenizer(const df_model *m);
const df_scheduler *df_model_scheduler(const df_model *m); /* the model's own */
const char *df_model_scheduler_path(const df_model *m);
const df_weights *df_model_weights(const df_model *m, df_component c); /* both VAE halves share one */
const char *df_component_name(df_component c); /* "text_encoder", "unet", "vae_decoder", "vae_encoder" */

/* The position in ids [n] whose last_hidden_state is the pooled state of the prompt. */
int64_t df_model_pooled_position(const df_model *m, const int32_t *ids, int64_t n);

/* latent_h, latent_w: of the latents, also for the VAE halves; ignored by the text encoder. Caller frees *g with
 * df_graph_free. The graph is finished and fused. */
df_code df_model_graph(const df_model *m, df_component c, int latent_h, int latent_w, df_graph **g, df_err *err);

/* Content hash: SHA-256 over (relative path, SHA-256) of every config, tokenizer and weight file that is used, in
 * name order; independent of where the folder lies. Reads all files. */
df_code df_model_sha256(const df_model *m, char hex[DF_SHA256_HEX_BYTES], df_err *err);

#endif

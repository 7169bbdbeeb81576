/* A model: a folder in the diffusers layout, or one file with a whole checkpoint; its configs, weights and graphs.
 *
 *   df_model_open(&m, "models/starter", &err);                  reads and checks every config; maps, reads no weight
 *   df_model_graph(m, DF_UNET, 16, 16, &g, &err);                graph for latents of 16x16, fused, ready to cut
 *   df_weights *w = df_model_weights(m, DF_UNET);
 *
 * Ports (all channels-last rows, see graph.h; latents h x w). A model has those that its config asks for:
 *   DF_TEXT_ENCODER.. ids [T] I32                               -> hidden.K [T][D] (input of layer K; the last is the
 *                                                                  output before the final norm), last_hidden_state,
 *                                                                  projected [T][P] (encoders with a projection)
 *   DF_DENOISER      sample [h][w][Cin], timestep [1], encoder_hidden_states [T][E], pooled [P], time_ids [6],
 *                    class_labels [1] I32                       -> out [h][w][Cout]
 *   DF_VAE_ENCODER   image [8h][8w][3]                          -> moments [h][w][2C], or encoded [h][w][C]
 *   DF_VAE_DECODER   z [h][w][C]                                -> image [8h][8w][3]
 * Spatial factors follow the config (the starter's VAE shrinks by 4). Names of nodes are the module paths of
 * diffusers / transformers. What pipelines consist of: components.h. Threads: read-only after open. */
#ifndef DF_ENGINE_MODELS_MODEL_H
#define DF_ENGINE_MODELS_MODEL_H

#include "base/sha256.h"
#include "engine/adapters/adapter.h"
#include "engine/graph/graph.h"
#include "engine/models/components.h"
#include "engine/samplers/scheduler.h"
#include "engine/text/chunks.h"
#include "engine/weights/weights.h"

typedef enum df_component {
    DF_TEXT_ENCODER,
    DF_TEXT_ENCODER_2,
    DF_TEXT_ENCODER_3,
    DF_DENOISER,
    DF_UNET = DF_DENOISER, /* whatever network it is */
    DF_VAE_DECODER,
    DF_VAE_ENCODER,
    DF_COMPONENT_COUNT
} df_component;

typedef struct df_model df_model;

typedef struct df_model_info {
    int latent_channels; /* 4; without an autoencoder those of the picture */
    int vae_factor; /* picture pixels per latent pixel: 8; the starter's 4; 1 without an autoencoder */
    int default_width, default_height; /* pixels: sample_size * vae_factor */
    int size_multiple; /* sides must be a multiple of it: vae_factor, times the side of a patch */
    int max_tokens; /* of the first text encoder: 77; 0: the model takes no text */
    int vocab_size; /* ids are 0..vocab_size-1 */
    int text_width; /* width of encoder_hidden_states */
    int context_tokens; /* rows of encoder_hidden_states */
    int input_channels; /* of the denoiser's sample; more than the latents where a mask or picture goes beside them */
    int pooled_width; /* of the denoiser's pooled; 0: it takes none */
    int n_time_ids; /* of the denoiser's time_ids; 0: it takes none */
    int n_classes; /* class_labels are 0..n_classes-1; 0: it takes none */
    int max_noise_level; /* of an upscaler */
    bool force_zeros; /* no negative prompt means text states of zeros (SDXL) */
    double scaling_factor, shift_factor; /* z = latents / scaling_factor + shift_factor */
    const char *pipeline_class; /* "StableDiffusionPipeline" */
} df_model_info;

typedef struct df_model_options {
    int context_tokens; /* rows of encoder_hidden_states; 0: as many as the pipeline has */
    const char *config_dir; /* where a model in one file has its configs and tokenizers: a folder in the diffusers
                             * layout, whose weights are not read; NULL for a model in a folder */
    const df_adapter_use *adapters; /* [n_adapters] LoRAs, added to the weights as they are read, textual inversions,
                                     * whose tokens get their ids, in this order, and int8 scales of the denoiser */
    int n_adapters;
    bool no_t5; /* the third text encoder is left out though the model has it: zeros instead of its states */
    /* For timing: it has configs alone. Weights are random numbers of the right shapes (engine/weights/invented.h),
     * and where there is no tokenizer every prompt is the same ids. */
    bool invented;
    bool tokenizer_optional; /* a tokenizer's folder may be absent; then df_model_tokenize is DF_ENOTFOUND */
} df_model_options;

/* Errors name the file; a missing one says which component needs it and why. */
df_code df_model_open(df_model **out, const char *path, df_err *err);
df_code df_model_open_with(df_model **out, const char *path, const df_model_options *options, df_err *err);
void df_model_close(df_model **m);

const char *df_model_dir(const df_model *m); /* folder or file */
const df_model_info *df_model_info_of(const df_model *m);
const df_pipeline_class *df_model_pipeline(const df_model *m);
const df_part_facts *df_model_facts(const df_model *m, df_component c); /* zeros where the model has no such part */
bool df_model_has(const df_model *m, df_component c);
const df_tokenizer *df_model_tokenizer(const df_model *m); /* of the first text encoder; NULL: there is none */
const df_scheduler *df_model_scheduler(const df_model *m); /* the model's own */
const char *df_model_scheduler_path(const df_model *m);
const df_scheduler *df_model_low_res_scheduler(const df_model *m); /* NULL: it has none */
const df_weights *df_model_weights(const df_model *m, df_component c); /* both VAE halves share one */
const char *df_component_name(df_component c); /* "text_encoder", "unet", "vae_decoder", ... */
/* The same, after the model's own folders: its denoiser may be a "transformer". */
const char *df_model_component_name(const df_model *m, df_component c);

/* ids [df_model_facts(m, c)->text.tokens] of text encoder c; as df_tokenizer_encode. DF_ENOTFOUND: the model came
 * without a tokenizer. */
df_code df_model_tokenize(const df_model *m, df_component c, const char *text, int32_t *ids, int max, int *n_tokens,
                          df_err *err);

/* The same in chunks (engine/text/chunks.h); caller frees. DF_EUNSUPPORTED for T5's tokenizer. */
df_code df_model_chunks(const df_model *m, df_component c, const char *text, const df_prompt_syntax *syntax,
                        df_text_chunks *out, df_err *err);

/* Were the int8 scales it was opened with made for the model of that hash (df_model_sha256)? DF_OK without any. */
df_code df_model_check_int8_hash(const df_model *m, const char *model_sha256, df_err *err);
bool df_model_is_int8(const df_model *m); /* it was opened with such scales */

/* Would that adapter fit the model? Reads the file's keys and shapes. */
df_code df_model_check_adapter(const df_model *m, const df_adapter_use *use, df_err *err);

/* The position in ids [n] whose state is the pooled state of the prompt, of text encoder c. */
int64_t df_model_pooled_position_of(const df_model *m, df_component c, const int32_t *ids, int64_t n);
int64_t df_model_pooled_position(const df_model *m, const int32_t *ids, int64_t n); /* of the first */

/* latent_h, latent_w: of the latents, also for the VAE halves. A text encoder takes latent_h as its number of tokens,
 * 0: as many as a prompt has at most. Caller frees *g with df_graph_free. The graph is finished and fused. */
df_code df_model_graph(const df_model *m, df_component c, int latent_h, int latent_w, df_graph **g, df_err *err);

/* The same for text of another length than the model's own. */
typedef struct df_graph_size {
    int latent_h, latent_w; /* 0 for a text encoder */
    int tokens; /* of a text encoder's ids, or of encoder_hidden_states; 0: as many as a prompt has at most */
} df_graph_size;
bool df_graph_size_equal(const df_graph_size *a, const df_graph_size *b);
df_graph_size df_model_own_size(const df_model *m); /* of a picture of the model's default size */
df_code df_model_graph_of(const df_model *m, df_component c, const df_graph_size *size, df_graph **g, df_err *err);

/* The head of the decoder, and what its other pieces are built from (vae_tail.h); NULL: the decoder has no pieces. */
df_code df_model_decoder_head(const df_model *m, const df_graph_size *size, df_graph **g, df_err *err);
const struct df_vae_config *df_model_decoder_way(const df_model *m);

/* Content hash: SHA-256 over (relative path, SHA-256) of every config, tokenizer and weight file that is used, in
 * name order; independent of where the folder lies. Reads all files. */
df_code df_model_sha256(const df_model *m, char hex[DF_SHA256_HEX_BYTES], df_err *err);

#endif

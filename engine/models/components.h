/* What each pipeline class of a model_index.json consists of, and which code reads and builds each component class.
 * Two tables in components.c, meant to be appended to:
 *
 *   classes[]    one line for each component class ("UNet2DConditionModel"): a df_component_class, which lies beside
 *                the code that it names (unet.c has df_class_unet) and is declared in component_classes.h
 *   pipelines[]  one block for each pipeline class ("StableDiffusionXLPipeline"): its parts, their folders and the
 *                classes they may have, its tokenizers, and what the denoiser takes
 *
 * A part is a folder with one config and one set of weights. It gives one graph, an autoencoder two (decoder, encoder).
 * To add a model: write its config reader and graph builder, export a df_component_class, name it in classes[], add the
 * pipeline. df_model then opens, checks, hashes, inspects and builds it; nothing else knows component classes.
 *
 * Ports that graphs have in common, so that eval and the renderer can drive any of them (those that apply):
 *   text encoder  ids [T] I32 -> hidden.K [T][D], last_hidden_state [T][D], projected [T][P] (every position through
 *                 text_projection; the pooled state is its row, or that of last_hidden_state, at pooled_position)
 *   denoiser      sample [h][w][Cin], timestep [1], encoder_hidden_states [T][E], pooled [P], time_ids [6],
 *                 class_labels [1] I32 -> out [h][w][Cout]
 *   autoencoder   z [h][w][C] -> image [H][W][3];  image [H][W][3] -> moments [h][w][2C] (KL) or encoded [h][w][C] (VQ)
 */
#ifndef DF_ENGINE_MODELS_COMPONENTS_H
#define DF_ENGINE_MODELS_COMPONENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config/json_config.h"
#include "engine/graph/graph.h"

typedef enum df_part {
    DF_PART_TEXT,
    DF_PART_TEXT_2,
    DF_PART_TEXT_3,
    DF_PART_DENOISER,
    DF_PART_AUTOENCODER,
    DF_PART_COUNT
} df_part;

/* What neighbours and callers need to know of a part; a class fills in what applies to it, the rest stays 0. */
typedef struct df_part_facts {
    struct {
        int64_t tokens; /* ids per prompt, at most */
        int64_t vocab; /* ids are 0..vocab-1 */
        int64_t width; /* of hidden.K and last_hidden_state */
        int64_t pooled; /* width of the pooled state; 0: it has none (T5) */
        bool projected; /* the pooled state is a row of `projected`, not of `last_hidden_state` */
    } text;
    struct {
        int64_t in_channels, out_channels; /* of sample and out; out may be twice the latents (learned variance) */
        int64_t context_width; /* of encoder_hidden_states; 0: no such port */
        int64_t pooled; /* width of the port `pooled`; 0: no such port */
        int64_t time_ids; /* size of the port `time_ids`; 0: no such port */
        int64_t classes; /* class_labels are 0..classes-1; 0: no such port */
        int64_t sample_h, sample_w; /* latents that it was trained on */
        int size_multiple; /* latent sides must be a multiple of it (patches); 0 counts as 1 */
    } denoiser;
    struct {
        int64_t image_channels, latent_channels;
        int factor; /* picture pixels per latent pixel */
        bool quantizes; /* encoder gives `encoded` instead of `moments` */
        double scaling_factor, shift_factor; /* z = latents / scaling_factor + shift_factor */
    } autoencoder;
} df_part_facts;

typedef struct df_build_size {
    int64_t latent_h, latent_w; /* 0 for a text encoder */
    int64_t tokens; /* of ids, or of encoder_hidden_states */
} df_build_size;

typedef struct df_component_class {
    const char *name; /* in model_index.json */
    const char *stem; /* of its weight file: "model" (transformers) or "diffusion_pytorch_model" (diffusers) */
    size_t config_bytes; /* of the struct that `read` fills, zeroed before */
    /* From the loaded config.json; returns c->rc. */
    df_code (*read)(void *config, df_config *c);
    void (*describe)(const void *config, df_part_facts *out);
    /* An autoencoder: its decoder. Errors stay in the graph (df_graph_fail). */
    void (*build)(df_graph *g, const void *config, const df_build_size *size);
    void (*build_encoder)(df_graph *g, const void *config, const df_build_size *size); /* NULL except autoencoders */
    /* An autoencoder's decoder in pieces (vae_tail.h): the first of them, and what the others are built from. */
    void (*build_head)(df_graph *g, const void *config, const df_build_size *size);
    const struct df_vae_config *(*decoder_way)(const void *config);
    /* A text encoder whose table of tokens can get more rows: its name, and the config for `vocab` of them. */
    const char *token_table;
    void (*set_vocab)(void *config, int64_t vocab);
    /* The token whose state is the pooled one; NULL where text.pooled is 0. */
    int64_t (*pooled_position)(const void *config, const int32_t *ids, int64_t n);
} df_component_class;

enum { DF_MAX_PART_CLASSES = 2, DF_MAX_TOKENIZERS = 3, DF_MAX_IGNORED = 8 };

typedef struct df_pipeline_part {
    const char *folder; /* and key in model_index.json; NULL: the pipeline has no such part */
    const char *what; /* "the U-Net", for messages */
    bool optional;
    const char *classes[DF_MAX_PART_CLASSES]; /* names from classes[] */
} df_pipeline_part;

/* How the rows of encoder_hidden_states come about. */
typedef enum df_context {
    DF_CONTEXT_NONE,
    DF_CONTEXT_LAST, /* last_hidden_state of the first text encoder */
    DF_CONTEXT_PENULTIMATE_PAIR, /* hidden[-2] of the first two, side by side (SDXL) */
    DF_CONTEXT_JOINT, /* hidden[-2] of the first two side by side, zero-padded, then the tokens of the third (SD3) */
} df_context;

/* How the pooled port comes about. */
typedef enum df_pooled { DF_POOLED_NONE, DF_POOLED_SECOND, DF_POOLED_PAIR } df_pooled;

/* What the denoiser's `sample` holds, channel by channel. */
typedef enum df_sample_input {
    DF_SAMPLE_LATENTS,
    DF_SAMPLE_MASKED, /* latents, mask (1), latents of the masked picture; or the latents alone */
    DF_SAMPLE_PICTURE, /* latents, picture of the same size (3) */
} df_sample_input;

typedef enum df_tokenizer_kind { DF_TOKENIZER_NONE, DF_TOKENIZER_CLIP, DF_TOKENIZER_T5 } df_tokenizer_kind;

typedef struct df_pipeline_class {
    const char *name;
    df_pipeline_part part[DF_PART_COUNT];
    /* tokenizer[i] serves text encoder i; folders are "tokenizer", "tokenizer_2", "tokenizer_3". */
    df_tokenizer_kind tokenizer[DF_MAX_TOKENIZERS];
    df_context context;
    df_pooled pooled;
    df_sample_input sample;
    bool guided_by_class; /* away from the last class, which is that of no class */
    bool low_res_scheduler; /* it has a second noise schedule, for the picture that it is given */
    bool unscaled; /* the latents are decoded as they are, whatever scaling_factor the autoencoder's config has */
    const char *ignored[DF_MAX_IGNORED]; /* entries of model_index.json that do not change what is computed */
} df_pipeline_class;

const df_component_class *df_component_class_find(const char *name); /* NULL if unknown */
const df_pipeline_class *df_pipeline_class_find(const char *name); /* NULL if unknown */
/* "StableDiffusionPipeline, StableDiffusionXLPipeline, ..." into out; returns out. */
char *df_pipeline_class_names(char *out, size_t out_bytes);
const char *df_tokenizer_folder(int i); /* 0..DF_MAX_TOKENIZERS-1 */

#endif

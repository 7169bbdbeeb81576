/* What the model configs check beyond single fields: classes, numbers that must have one value, and fields that this
 * program has never heard of. A field that is ignored could change the picture without a word. */
#ifndef DF_ENGINE_MODELS_CONFIG_CHECK_H
#define DF_ENGINE_MODELS_CONFIG_CHECK_H

#include "engine/config/json_config.h"

/* Bounds of every model: far above published ones, low enough that no product of them overflows and that a hostile
 * config neither loops for ever nor asks for terabytes. */
enum {
    DF_MODEL_MAX_WIDTH = 32768, /* channels, hidden sizes */
    DF_MODEL_MAX_LEVELS = 8,
    DF_MODEL_MAX_LAYERS = 128,
    DF_MODEL_MAX_BLOCKS = 512, /* residual and transformer blocks of one network */
    DF_MODEL_MAX_VOCAB = 1 << 22,
    DF_MODEL_MAX_TOKENS = 4096,
    DF_MODEL_MAX_LATENT = 4096, /* side of the latents */
};

/* Loads the object at `path` into *root (caller json_decrefs) and readies *c for it. */
df_code df_config_load(df_config *c, json_t **root, const char *path, df_err *err);

/* "FILE: 'resnet_out_scale_factor' is 0.5, only 1 is supported". */
void df_config_only_number(df_config *c, const char *key, double only);

/* Where null is not the default but another network: "FILE: 'mid_block_type' is null, which is not supported". */
void df_config_not_null(df_config *c, const char *key);

/* A finite number above 0. */
double df_config_positive(df_config *c, const char *key, double otherwise);

/* An error unless every key begins with "_" or is in the list (ended by NULL); null and false values pass. */
void df_config_only_known(df_config *c, const char *const *known);

/* Entries of an array that has one for each level: 1..DF_MODEL_MAX_LEVELS. */
size_t df_config_levels(df_config *c, const char *key);

/* "FILE: 'down_block_types' has 3 entries, 'block_out_channels' has 4". */
void df_config_same_length(df_config *c, const char *key, const char *other);

/* The first of `names` (ended by NULL) that equals entry i of the array; else an error that lists them. */
int df_config_array_choice(df_config *c, const char *key, size_t i, const char *const *names);

#endif

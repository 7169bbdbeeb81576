/* What the parts of df_model share; nobody outside this folder includes it. */
#ifndef DF_ENGINE_MODELS_MODEL_IMPL_H
#define DF_ENGINE_MODELS_MODEL_IMPL_H

#include "base/arena.h"
#include "engine/models/clip_text_config.h"
#include "engine/models/model.h"
#include "engine/models/unet_config.h"
#include "engine/models/vae_config.h"

struct df_model {
    df_arena *arena; /* paths */
    const char *dir;
    df_model_info info;
    const char *scheduler_path;
    df_scheduler scheduler;
    df_tokenizer *tokenizer;
    df_clip_text_config text;
    df_unet_config unet;
    df_vae_config vae;
    df_weights *text_weights, *unet_weights, *vae_weights;
};

/* "DIR/SUB"; NULL when out of memory. */
const char *df_model_path(df_arena *arena, const df_model *m, const char *sub);

#endif

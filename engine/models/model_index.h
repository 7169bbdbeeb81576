/* model_index.json: which pipeline a model folder is, and which class each component has. */
#ifndef DF_ENGINE_MODELS_MODEL_INDEX_H
#define DF_ENGINE_MODELS_MODEL_INDEX_H

#include "engine/models/components.h"

typedef struct df_model_index {
    const df_pipeline_class *pipeline;
    const df_component_class *part[DF_PART_COUNT]; /* NULL: the pipeline goes without */
    bool has_tokenizer[DF_MAX_TOKENIZERS];
    bool force_zeros; /* SDXL: no negative prompt means text states of zeros, not those of an empty prompt */
    int max_noise_level; /* upscaler */
} df_model_index;

/* Refuses pipelines and component classes that would give other pictures than diffusers'. Components that only look at
 * finished pictures (safety_checker) or serve other tasks (image_encoder) are passed over, present or not. */
df_code df_model_index_read(df_model_index *out, const char *path, df_err *err);

#endif

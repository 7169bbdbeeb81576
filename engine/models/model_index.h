/* model_index.json: which pipeline a model folder is, and which class each component has. */
#ifndef DF_ENGINE_MODELS_MODEL_INDEX_H
#define DF_ENGINE_MODELS_MODEL_INDEX_H

#include "base/err.h"

typedef struct df_model_index {
    const char *pipeline_class; /* static text */
} df_model_index;

/* Refuses pipelines and component classes that would give other pictures than diffusers'. Components that only look at
 * finished pictures (safety_checker) or serve other tasks (image_encoder) are passed over, present or not. */
df_code df_model_index_read(df_model_index *out, const char *path, df_err *err);

#endif

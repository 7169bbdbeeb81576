/* Tasks: what a picture is made from. Which a model can do follows from its pipeline class (components.h). */
#ifndef DF_ENGINE_MODELS_TASK_H
#define DF_ENGINE_MODELS_TASK_H

#include "engine/models/model.h"

typedef enum df_task {
    DF_TASK_TXT2IMG,
    DF_TASK_IMG2IMG, /* from a picture, noised as far as `strength` says */
    DF_TASK_INPAINT, /* anew where a mask is white: by a 9-channel U-Net, else by blending latents */
    DF_TASK_UPSCALE, /* four times the sides of a picture */
    DF_TASK_CLASS,
    DF_TASK_UNCOND,
    DF_TASK_COUNT
} df_task;

const char *df_task_name(df_task task); /* "txt2img" */
bool df_task_named(df_task *out, const char *name);

bool df_model_can(const df_model *m, df_task task);
df_task df_model_default_task(const df_model *m); /* the first it can do */

#endif

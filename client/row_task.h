/* What a manifest line asks for, held against what the model can do: the task, its pictures, its numbers, the size.
 *
 * Without a field 'task' it follows from the others: a mask means inpaint, an image img2img (upscale where the model
 * does that), a class class, else it is the model's own. A field that the task has no use for is a problem. Without a
 * size, img2img and inpaint take the picture's, rounded down to what the model can do; upscale always multiplies it. */
#ifndef DF_CLIENT_ROW_TASK_H
#define DF_CLIENT_ROW_TASK_H

#include "client/fields.h"
#include "client/input_files.h"
#include "engine/models/task.h"

#define DF_DEFAULT_NOISE_LEVEL 20

typedef struct df_row_adapter {
    df_adapter_kind kind;
    const df_input_file *file;
    double weight; /* of a LoRA */
} df_row_adapter;

typedef struct df_row_task {
    df_task task;
    const df_input_file *image, *mask; /* NULL: none */
    double strength; /* 0 where the task has none */
    int class_label, noise_level;
    int width, height;
    df_row_adapter adapter[DF_MAX_ADAPTERS]; /* [n_adapters], LoRAs first */
    int n_adapters;
} df_row_task;

/* line: with defaults filled in; its size counts where DF_GIVEN_SIZE is set, else it is the model's. false, and
 * problems, if it cannot be. */
bool df_row_task_resolve(df_row_task *out, const df_line *line, const df_model *model, df_input_files *files,
                         df_problems *problems);

#endif

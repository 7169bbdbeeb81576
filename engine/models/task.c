#include "engine/models/task.h"

#include <string.h>

static const char *const names[DF_TASK_COUNT] = {
    [DF_TASK_TXT2IMG] = "txt2img", [DF_TASK_IMG2IMG] = "img2img", [DF_TASK_INPAINT] = "inpaint",
    [DF_TASK_UPSCALE] = "upscale", [DF_TASK_CLASS] = "class",     [DF_TASK_UNCOND] = "uncond",
};

const char *df_task_name(df_task task) {
    return task < DF_TASK_COUNT ? names[task] : "?";
}

bool df_task_named(df_task *out, const char *name) {
    for (int i = 0; i < DF_TASK_COUNT; i++)
        if (!strcmp(names[i], name)) {
            *out = (df_task)i;
            return true;
        }
    return false;
}

bool df_model_can(const df_model *m, df_task task) {
    const df_pipeline_class *p = df_model_pipeline(m);
    if (p->guided_by_class) return task == DF_TASK_CLASS;
    if (p->sample == DF_SAMPLE_PICTURE) return task == DF_TASK_UPSCALE;
    if (p->sample == DF_SAMPLE_MASKED) return task == DF_TASK_INPAINT;
    if (p->context == DF_CONTEXT_NONE) return task == DF_TASK_UNCOND;
    return task == DF_TASK_TXT2IMG || task == DF_TASK_IMG2IMG || task == DF_TASK_INPAINT;
}

df_task df_model_default_task(const df_model *m) {
    int task = 0;
    while (task + 1 < DF_TASK_COUNT && !df_model_can(m, (df_task)task)) task++;
    return (df_task)task;
}

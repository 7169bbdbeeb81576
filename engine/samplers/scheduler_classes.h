/* The classes that are built: their names in diffusers and the defaults of their constructors. */
#ifndef DF_ENGINE_SAMPLERS_SCHEDULER_CLASSES_H
#define DF_ENGINE_SAMPLERS_SCHEDULER_CLASSES_H

#include "engine/samplers/scheduler.h"

typedef struct df_scheduler_class_spec {
    const char *class_name; /* "_class_name" of scheduler_config.json */
    df_scheduler defaults;
} df_scheduler_class_spec;

df_scheduler df_scheduler_defaults(df_scheduler_class klass);
int df_scheduler_class_named(const char *class_name); /* a df_scheduler_class, -1 if it is not built */
const char *df_scheduler_class_names(char *out, size_t bytes); /* all, for messages; returns out */

#endif

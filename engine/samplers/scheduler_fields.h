/* Fields of scheduler_config.json, read onto defaults. Errors stay in c (see json_config.h): check c->rc at the end. */
#ifndef DF_ENGINE_SAMPLERS_SCHEDULER_FIELDS_H
#define DF_ENGINE_SAMPLERS_SCHEDULER_FIELDS_H

#include "engine/config/json_config.h"
#include "engine/samplers/scheduler.h"

/* What belongs to the model whatever sampler walks it: betas, prediction, offset, clipping. */
void df_scheduler_read_model_fields(df_config *c, df_scheduler *s);
/* What belongs to the class: spacing, sigmas, solver. */
void df_scheduler_read_class_fields(df_config *c, df_scheduler *s);
/* "timestep_spacing" alone. */
void df_scheduler_read_spacing(df_config *c, df_scheduler *s);

#endif

/* The noise schedule that a command line asks for. */
#ifndef DF_CLIENT_EVAL_SCHEDULER_H
#define DF_CLIENT_EVAL_SCHEDULER_H

#include "engine/models/model.h"

/* given: FILE.json, or a name as in a manifest; NULL: the model's own. */
df_code df_eval_scheduler_of(df_scheduler *out, const df_model *model, const char *given, df_err *err);

#endif

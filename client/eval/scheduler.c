#include "client/eval/scheduler.h"

#include <string.h>

df_code df_eval_scheduler_of(df_scheduler *out, const df_model *model, const char *given, df_err *err) {
    if (!given) {
        *out = *df_model_scheduler(model);
        return DF_OK;
    }
    if (strchr(given, '/') || strchr(given, '.')) return df_scheduler_read(out, given, err);
    return df_scheduler_named(out, given, df_model_scheduler_path(model), err);
}

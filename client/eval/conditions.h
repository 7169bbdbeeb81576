/* What a denoiser takes beside its sample and timestep: text, pooled text, sizes, classes, as rows for the model. */
#ifndef DF_CLIENT_EVAL_CONDITIONS_H
#define DF_CLIENT_EVAL_CONDITIONS_H

#include "client/eval/calls.h"

enum { DF_EVAL_MAX_CONDITIONS = 8 };

typedef struct df_eval_conditions {
    df_eval_port port[DF_EVAL_MAX_CONDITIONS]; /* rows owned */
    int n;
} df_eval_conditions;

/* Of one forward: the inputs bear the names of the ports. n rows each. */
df_code df_eval_conditions_read(df_eval_conditions *c, const df_eval *e, int64_t n, df_err *err);

/* Of a sampling run of n pictures: cond and uncond, pooled_cond and pooled_uncond, time_ids, class_labels. guided: 2 *
 * n rows, the unconditional ones first. time_ids [n] serve both halves, unless they are [2 * n] or time_ids_uncond is
 * there too. The class of the unconditional half is the last one, that of no class. noise_level >= 0: an upscaler's,
 * which is the class of every row. */
df_code df_eval_conditions_read_guided(df_eval_conditions *c, const df_eval *e, int64_t n, bool guided, int noise_level,
                                       df_err *err);

void df_eval_conditions_free(df_eval_conditions *c);

#endif

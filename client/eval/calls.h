/* The calls of `diffarm eval`, one function each; DESIGN, section 5, says what they take and give. */
#ifndef DF_CLIENT_EVAL_CALLS_H
#define DF_CLIENT_EVAL_CALLS_H

#include <stdbool.h>

#include "client/eval/options.h"
#include "client/eval/runner.h"
#include "client/eval/tensors.h"

typedef struct df_eval {
    const df_eval_options *options;
    const struct df_eval_call *call;
    const df_model *model;
    df_eval_runner *runner;
    df_eval_inputs in; /* none for tokenize */
    df_eval_outputs out;
} df_eval;

typedef struct df_eval_call {
    const char *name;
    bool takes_prompts; /* and no tensors */
    const char *const *settings; /* keys of --set, ended by NULL */
    df_component component; /* the text encoder, of text_encode and the like */
    df_code (*run)(df_eval *e, const df_eval_settings *settings, df_err *err);
} df_eval_call;

const df_eval_call *df_eval_call_find(const char *name); /* NULL if unknown */

df_code df_eval_tokenize(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_text_encode(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_denoiser(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_vae_encode(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_vae_decode(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_sample(df_eval *e, const df_eval_settings *settings, df_err *err);
df_code df_eval_add_noise(df_eval *e, const df_eval_settings *settings, df_err *err);

/* The model's scheduler, or that of --set scheduler. */
df_code df_eval_scheduler(df_scheduler *out, const df_eval *e, const df_eval_settings *settings, df_err *err);

#endif

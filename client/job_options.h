/* What `render` and `submit` both take: manifest or prompts, model, OUT, and the shared render options. */
#ifndef DF_CLIENT_JOB_OPTIONS_H
#define DF_CLIENT_JOB_OPTIONS_H

#include "client/draft.h"
#include "client/options.h"

#define DF_MAX_PROMPTS 1000

typedef struct df_job_options {
    df_render_options render;
    df_output output;
    const char *manifest, *model, *config_dir, *out, *inputs_dir;
    const char *prompt[DF_MAX_PROMPTS];
    int n_prompts;
    bool lenient, dry_run, no_t5;
    df_prompt_syntax syntax;
} df_job_options;

void df_job_options_init(df_job_options *o);
/* Options and the MANIFEST argument; input df_job_options. Children: df_render_argp, df_output_argp. */
extern const struct argp df_job_argp;

/* Validates and prints every problem. On failure *code is the exit code and NULL comes back. */
df_draft *df_draft_from_options(const df_job_options *o, int *code);

#endif

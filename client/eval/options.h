/* The command line of `diffarm eval`. */
#ifndef DF_CLIENT_EVAL_OPTIONS_H
#define DF_CLIENT_EVAL_OPTIONS_H

#include "base/err.h"
#include "engine/adapters/adapter.h"
#include "engine/backend/backend.h"
#include "engine/models/task.h"

enum { DF_EVAL_MAX_SETTINGS = 32 };

enum { DF_EVAL_MAX_ADAPTERS = 16 };

typedef struct df_eval_setting {
    char *key; /* owned; the value lies behind it */
    const char *value;
} df_eval_setting;

typedef struct df_eval_options {
    df_adapter_use adapters[DF_EVAL_MAX_ADAPTERS];
    int n_adapters;
    const char *config_dir; /* of a model in one file; NULL: none */
    bool no_t5;
    const char *int8_scales; /* NULL: not given */
    const char *model, *call, *in, *out, *prompts; /* NULL where not given */
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int pipeline; /* ranks; 0: not given */
    df_eval_setting settings[DF_EVAL_MAX_SETTINGS];
    int n_settings;
} df_eval_options;

/* Ends the program with a message and exit code 2 on a bad command line, as argp does. */
void df_eval_options_parse(df_eval_options *o, int argc, char **argv);
void df_eval_options_free(df_eval_options *o);

/* Settings of --set, with their defaults. */
typedef struct df_eval_settings {
    const char *scheduler; /* FILE.json, or a name as in a manifest; NULL: the model's own */
    int steps;
    double guidance, guidance_rescale, eta;
    bool task_given; /* otherwise what the model was made for */
    df_task task;
    double strength; /* 0: the task's own */
    int noise_level; /* of an upscaler */
    int tile; /* pixels a side of the tiles to decode in; 0: at once */
} df_eval_settings;

/* `allowed` lists the keys that the call takes (ended by NULL); others are DF_EINVAL by name. */
df_code df_eval_settings_read(df_eval_settings *s, const df_eval_options *o, const char *const *allowed, df_err *err);

#endif

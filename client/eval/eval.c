/* `diffarm eval`: one component of a model on given tensors. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/eval/calls.h"
#include "client/exit_code.h"
#include "engine/adapters/int8_scales.h"

static const char *const no_settings[] = { NULL };
static const char *const sample_settings[] = { "scheduler",        "steps",       "guidance",
                                               "guidance_rescale", "eta",         "task",
                                               "strength",         "noise_level", NULL };
static const char *const decode_settings[] = { "tile", NULL };
static const char *const add_noise_settings[] = { "scheduler", NULL };

static const df_eval_call calls[] = {
    { "tokenize", true, no_settings, 0, df_eval_tokenize },
    { "text_encode", false, no_settings, DF_TEXT_ENCODER, df_eval_text_encode },
    { "text_encode_2", false, no_settings, DF_TEXT_ENCODER_2, df_eval_text_encode },
    { "text_encode_3", false, no_settings, DF_TEXT_ENCODER_3, df_eval_text_encode },
    { "unet", false, no_settings, 0, df_eval_denoiser },
    { "transformer", false, no_settings, 0, df_eval_denoiser },
    { "vae_encode", false, no_settings, 0, df_eval_vae_encode },
    { "vae_decode", false, decode_settings, 0, df_eval_vae_decode },
    { "sample", false, sample_settings, 0, df_eval_sample },
    { "add_noise", false, add_noise_settings, 0, df_eval_add_noise },
};

const df_eval_call *df_eval_call_find(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) return &calls[i];
    return NULL;
}

static df_code lead(df_eval *e, const df_eval_call *call, const df_eval_settings *settings, df_err *err) {
    const df_eval_options *o = e->options;
    df_code rc = DF_OK;
    e->in.path = o->in;
    if (!call->takes_prompts) rc = df_safetensors_open(&e->in.file, o->in, err);
    if (!rc) rc = call->run(e, settings, err);
    if (!rc) rc = df_eval_outputs_write(&e->out, o->out, err);
    df_safetensors_close(&e->in.file);
    df_eval_outputs_free(&e->out);
    return rc;
}

/* Text may have another number of tokens than the pipeline's own, and a graph is built for one number. Every rank looks
 * for itself; a file that cannot be read is the leading rank's to report. */
static int context_tokens(const df_eval_options *o) {
    static const char *const names[] = { "encoder_hidden_states", "cond" };
    df_safetensors *file = NULL;
    int tokens = 0;
    if (!o->in || df_safetensors_open(&file, o->in, NULL)) return 0;
    for (int i = 0; i < 2 && !tokens; i++) {
        const df_tensor_view *t = df_safetensors_find(file, names[i]);
        if (t && t->rank == 3 && t->dim[1] > 0 && t->dim[1] <= INT_MAX) tokens = (int)t->dim[1];
    }
    df_safetensors_close(&file);
    return tokens;
}

/* The adapters of the options, and int8 scales where they are asked for; `path` holds their place. */
static df_code list_adapters(df_adapter_use list[DF_EVAL_MAX_ADAPTERS + 1], int *n, const df_eval_options *o,
                             char path[PATH_MAX], df_err *err) {
    memcpy(list, o->adapters, (size_t)o->n_adapters * sizeof *list);
    *n = o->n_adapters;
    if (!o->backend_cfg.int8) return DF_OK;
    list[(*n)++] = (df_adapter_use) { .kind = DF_ADAPTER_INT8_SCALES, .path = path };
    return df_int8_scales_find(path, PATH_MAX, o->model, o->int8_scales, err);
}

static df_code eval(const df_eval_options *o, df_err *err) {
    const df_eval_call *call = df_eval_call_find(o->call);
    df_eval_settings settings;
    df_model *model = NULL;
    df_eval e = { .options = o, .call = call };
    df_adapter_use adapters[DF_EVAL_MAX_ADAPTERS + 1];
    char scales[PATH_MAX];
    int n_adapters;
    df_code rc;
    if ((rc = list_adapters(adapters, &n_adapters, o, scales, err))) return rc;
    if ((rc = df_eval_settings_read(&settings, o, call->settings, err))) return rc;
    df_model_options how = { .context_tokens = call->takes_prompts ? 0 : context_tokens(o),
                             .config_dir = o->config_dir,
                             .adapters = adapters,
                             .n_adapters = n_adapters,
                             .no_t5 = o->no_t5,
                             .tokenizer_optional = true };
    if ((rc = df_model_open_with(&model, o->model, &how, err))) return rc;
    e.model = model;
    if (!(rc = df_eval_runner_open(&e.runner, model, o, err)))
        rc = df_eval_runner_leads(e.runner) ? lead(&e, call, &settings, err) : df_eval_runner_serve(e.runner, err);
    df_eval_runner_close(&e.runner);
    df_model_close(&model);
    return rc;
}

int df_cmd_eval(int argc, char **argv) {
    df_eval_options o;
    df_err err;
    df_eval_options_parse(&o, argc, argv);
    df_code rc = eval(&o, &err);
    if (rc) fprintf(stderr, "%s: %s\n", argv[0], err.text);
    df_eval_options_free(&o);
    return df_exit_of_run(rc);
}

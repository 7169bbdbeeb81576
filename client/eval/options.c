#include "client/eval/options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/eval/calls.h"
#include "client/exit_code.h"

enum {
    OPT_CALL = 0x1000,
    OPT_IN,
    OPT_OUT,
    OPT_SET,
    OPT_PROMPTS,
    OPT_BACKEND,
    OPT_DTYPE,
    OPT_INT8_SCALES,
    OPT_FAST_CONV,
    OPT_THREADS,
    OPT_GPU,
    OPT_PIPELINE,
    OPT_CONFIG,
    OPT_LORA,
    OPT_EMBEDDING,
    OPT_NO_T5
};

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model folder in the diffusers layout, or a whole checkpoint in one safetensors file",
      1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 1 },
    { "lora", OPT_LORA, "FILE[:WEIGHT]", 0, "A LoRA to add to the weights (weight 1); may be repeated", 1 },
    { "embedding", OPT_EMBEDDING, "[TOKEN=]FILE", 0,
      "A textual inversion, for tokenize and text_encode; may be repeated", 1 },
    { "no-t5", OPT_NO_T5, NULL, 0, "Leave out SD3's third text encoder: zeros instead of its states", 1 },
    { "call", OPT_CALL, "CALL", 0, "What to run, see below", 1 },
    { "in", OPT_IN, "F.safetensors", 0, "Inputs", 1 },
    { "out", OPT_OUT, "F.safetensors", 0, "Where the results go; written whole or not at all", 1 },
    { "set", OPT_SET, "KEY=VALUE", 0, "A setting of the call; more may follow: --set steps=8 guidance=7.5", 1 },
    { "prompts", OPT_PROMPTS, "F.json", 0, "For tokenize: an array of strings", 1 },
    { "backend", OPT_BACKEND, "NAME", 0, "cpu (default), cuda (a GPU) or reference (plain loops: slow, exact)", 2 },
    { "gpu", OPT_GPU, "N", 0, "Which GPU, for cuda (default: the first that is visible)", 2 },
    { "dtype", OPT_DTYPE, "TYPE", 0,
      "What is computed in: f32 (default), bf16 (cpu, cuda), f16 (cuda), int8 (cpu) or f64 (reference)", 2 },
    { "int8-scales", OPT_INT8_SCALES, "FILE", 0, "What `diffarm calibrate` made, for int8 (beside the model)", 2 },
    { "fast-conv", OPT_FAST_CONV, NULL, 0, "In bf16 and int8: faster convolutions, less exact, with more memory", 2 },
    { "threads", OPT_THREADS, "N", 0, "Threads of each rank (default: all cores)", 2 },
    { "pipeline", OPT_PIPELINE, "P", 0,
      "Ranks to spread the model over (default 1): threads of this process; under mpirun or srun the ranks of the job",
      2 },
    { 0 },
};

static const char doc[] =
    "Runs one component of a model on given tensors, so that it can be held against a reference. Pictures and latents "
    "are NCHW, as PyTorch has them; results are F32.\v"
    "Calls, what they take and what they give:\n"
    "  tokenize     --prompts FILE -> ids [ids_2] [ids_3]\n"
    "  text_encode  ids -> last_hidden_state, hidden.0 .. hidden.N, pooled;\n"
    "               text_encode_2 and text_encode_3 are the other encoders\n"
    "  unet         sample, timestep, encoder_hidden_states, [pooled]\n"
    "               [time_ids] [class_labels] -> out; transformer likewise\n"
    "  vae_encode   image -> moments; encoded, where there is a codebook\n"
    "  vae_decode   z -> image\n"
    "               --set tile=N: in tiles of N pixels a side, on one rank\n"
    "  sample       cond [uncond] [latents] [noise.0 ...] [pooled_cond]\n"
    "               [pooled_uncond] [time_ids] [class_labels] [image_u8] [mask_u8]\n"
    "               -> timesteps, latents, model_output, decoded, image_u8\n"
    "               --set scheduler=S steps=25 guidance=7.5 eta=0\n"
    "                     guidance_rescale=0 strength=1 noise_level=20\n"
    "                     task=txt2img|img2img|inpaint|upscale|class|uncond\n"
    "  add_noise    sample, noise, timestep -> out\n"
    "               --set scheduler=S\n"
    "S is a scheduler_config.json or a name as in a manifest, like euler_a; without it the model's own is used.\n";

static int parse_int(struct argp_state *state, const char *name, const char *text, int min, int max) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        argp_error(state, "--%s must be a whole number from %d to %d, not '%s'", name, min, max, text);
    return (int)n;
}

static void add_setting(struct argp_state *state, df_eval_options *o, const char *text) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) argp_error(state, "--set takes KEY=VALUE, not '%s'", text);
    if (o->n_settings == DF_EVAL_MAX_SETTINGS) argp_error(state, "more than %d settings", DF_EVAL_MAX_SETTINGS);
    char *copy = strdup(text);
    if (!copy) argp_failure(state, 1, errno, "settings");
    copy[equals - text] = '\0';
    o->settings[o->n_settings++] = (df_eval_setting) { .key = copy, .value = copy + (equals - text) + 1 };
}

static void set_backend(struct argp_state *state, df_eval_options *o, const char *name) {
    df_err err = { 0 };
    df_code rc = df_backend_load(&o->backend, name, &err);
    if (rc == DF_EINVAL) argp_error(state, "--backend: %s", err.text);
    if (rc) argp_failure(state, df_exit_of(rc), 0, "%s", err.text); /* a good name, but not on this machine */
}

static void set_dtype(struct argp_state *state, df_eval_options *o, const char *name) {
    df_arithmetic is = { .dtype = DF_F64 };
    if (strcmp(name, "f64") && !df_arithmetic_of(name, &is))
        argp_error(state, "--dtype must be f32, bf16, f16, int8 or f64, not '%s'", name);
    o->backend_cfg.dtype = is.dtype;
    o->backend_cfg.int8 = is.int8;
}

static void check_complete(struct argp_state *state, const df_eval_options *o) {
    if (!o->model) argp_error(state, "--model is needed");
    if (!o->call) argp_error(state, "--call is needed");
    if (!o->out) argp_error(state, "--out is needed");
    const df_eval_call *call = df_eval_call_find(o->call);
    if (!call) argp_error(state, "--call '%s' is not known or not available yet", o->call);
    if (call->takes_prompts && !o->prompts) argp_error(state, "--prompts is needed for %s", o->call);
    if (!call->takes_prompts && !o->in) argp_error(state, "--in is needed for %s", o->call);
    if (o->backend_cfg.dtype == DF_F64 && o->backend != &df_backend_reference)
        argp_error(state, "--dtype f64 needs --backend reference");
    if (o->backend_cfg.dtype == DF_BF16 && o->backend == &df_backend_reference)
        argp_error(state, "--dtype %s needs --backend cpu%s", o->backend_cfg.int8 ? "int8" : "bf16",
                   o->backend_cfg.int8 ? "" : " or cuda");
    if (o->backend_cfg.dtype == DF_F16 && strcmp(o->backend->name, "cuda"))
        argp_error(state, "--dtype f16 needs --backend cuda");
    if (o->int8_scales && !o->backend_cfg.int8) argp_error(state, "--int8-scales is for --dtype int8");
    if (o->backend_cfg.fast_conv && o->backend_cfg.dtype != DF_BF16)
        argp_error(state, "--fast-conv is for --dtype bf16 and int8");
}

static df_adapter_use *next_adapter(struct argp_state *state, df_eval_options *o) {
    if (o->n_adapters == DF_EVAL_MAX_ADAPTERS) argp_error(state, "more than %d adapters", DF_EVAL_MAX_ADAPTERS);
    return &o->adapters[o->n_adapters++];
}

static df_adapter_use embedding_of(char *arg) {
    size_t token_bytes;
    df_adapter_use use = { .kind = DF_ADAPTER_EMBEDDING, .path = df_adapter_embedding_file(arg, &token_bytes) };
    if (token_bytes) {
        arg[token_bytes] = '\0';
        use.name = arg;
    }
    return use;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_eval_options *o = state->input;
    switch (key) {
    case 'm': o->model = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_LORA:
        if (!df_adapter_parse(arg, next_adapter(state, o)))
            argp_error(state, "--lora must be FILE or FILE:WEIGHT, not '%s'", arg);
        return 0;
    case OPT_EMBEDDING: *next_adapter(state, o) = embedding_of(arg); return 0;
    case OPT_NO_T5: o->no_t5 = true; return 0;
    case OPT_CALL: o->call = arg; return 0;
    case OPT_IN: o->in = arg; return 0;
    case OPT_OUT: o->out = arg; return 0;
    case OPT_PROMPTS: o->prompts = arg; return 0;
    case OPT_SET:
    case ARGP_KEY_ARG: add_setting(state, o, arg); return 0;
    case OPT_BACKEND: set_backend(state, o, arg); return 0;
    case OPT_DTYPE: set_dtype(state, o, arg); return 0;
    case OPT_INT8_SCALES: o->int8_scales = arg; return 0;
    case OPT_FAST_CONV: o->backend_cfg.fast_conv = true; return 0;
    case OPT_THREADS: o->backend_cfg.threads = parse_int(state, "threads", arg, 1, 4096); return 0;
    case OPT_GPU: o->backend_cfg.gpu = parse_int(state, "gpu", arg, 0, 1023); return 0;
    case OPT_PIPELINE: o->pipeline = parse_int(state, "pipeline", arg, 1, 64); return 0;
    case ARGP_KEY_END: check_complete(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_eval_options_parse(df_eval_options *o, int argc, char **argv) {
    static const struct argp argp = { option_table, parse, "", doc, NULL, NULL, NULL };
    *o = (df_eval_options) { .backend = &df_backend_cpu, .backend_cfg = { .dtype = DF_F32 } };
    argp_err_exit_status = DF_EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, o);
}

void df_eval_options_free(df_eval_options *o) {
    for (int i = 0; i < o->n_settings; i++) free(o->settings[i].key);
    o->n_settings = 0;
}

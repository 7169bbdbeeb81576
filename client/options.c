#include "client/options.h"

#include <inttypes.h>
#include <string.h>

#include "client/commands.h"
#include "client/fields.h"
#include "engine/backend/backend.h"
#include "engine/noise/noise.h"

enum {
    OPT_STEPS = 0x1000,
    OPT_GUIDANCE,
    OPT_SCHEDULER,
    OPT_SIZE,
    OPT_SEED,
    OPT_COUNT,
    OPT_NEGATIVE,
    OPT_DTYPE,
    OPT_BACKEND,
    OPT_INT8_SCALES,
    OPT_FAST_CONV,
    OPT_NOISE,
    OPT_WORKERS,
    OPT_PIPELINE,
    OPT_MICRO_BATCH,
    OPT_FORMAT,
    OPT_SINK,
    OPT_TASK,
    OPT_IMAGE,
    OPT_MASK,
    OPT_STRENGTH,
    OPT_CLASS,
    OPT_NOISE_LEVEL,
    OPT_GUIDANCE_RESCALE,
    OPT_ETA,
    OPT_LORA,
    OPT_EMBEDDING,
    OPT_OUTPUT,
    OPT_CONNECT,
    OPT_TIMEOUT,
    OPT_KEYS,
};

void df_options_parse(const struct argp *argp, int argc, char **argv, void *input) {
    argp_err_exit_status = DF_EXIT_USAGE;
    argp_parse(argp, argc, argv, 0, NULL, input);
}

int64_t df_option_int(struct argp_state *state, const char *option, const char *arg, int64_t min, int64_t max) {
    int64_t n = min;
    if (!df_parse_int(arg, &n) || n < min || n > max)
        argp_error(state, "--%s must be a whole number from %" PRId64 " to %" PRId64 ", not '%s'", option, min, max,
                   arg);
    return n;
}

void df_render_options_init(df_render_options *o) {
    *o = (df_render_options) { .steps = DF_DEFAULT_STEPS,
                               .count = 1,
                               .guidance = DF_DEFAULT_GUIDANCE,
                               .scheduler = "",
                               .negative = "",
                               .dtype = "f32",
                               .backend = "cpu",
                               .noise = "torch-cpu",
                               .format = "png" };
}

static double guidance_of(struct argp_state *state, const char *arg) {
    double g = 0;
    if (!df_parse_real(arg, &g) || g < 0 || g > DF_MAX_GUIDANCE)
        argp_error(state, "--guidance must be a number from 0 to %.0f, not '%s'", DF_MAX_GUIDANCE, arg);
    return g;
}

static void size_of(struct argp_state *state, const char *arg, df_render_options *o) {
    if (!df_parse_size(arg, &o->width, &o->height))
        argp_error(state, "--size must be like 512x512, sides 1 to %d, not '%s'", DF_MAX_SIDE, arg);
}

static const char *checked(struct argp_state *state, const char *option, const char *arg, const char *why) {
    if (why) argp_error(state, "--%s: %s", option, why);
    return arg;
}

/* Values the design knows but this version cannot do are told apart from typing errors. */
static const char *dtype_of(struct argp_state *state, const char *arg) {
    df_arithmetic is;
    if (!df_arithmetic_of(arg, &is)) argp_error(state, "--dtype must be f32, bf16, f16 or int8, not '%s'", arg);
    return arg;
}

static const char *backend_of(struct argp_state *state, const char *arg) {
    static const char *const names[] = { "cpu", "cuda", "reference", "any" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(arg, names[i])) return arg;
    argp_error(state, "--backend must be cpu, cuda, reference or any, not '%s'", arg);
    return arg;
}

static const char *format_of(struct argp_state *state, const char *arg) {
    if (strcmp(arg, "png") && strcmp(arg, "tar")) argp_error(state, "--format must be png or tar, not '%s'", arg);
    return arg;
}

static bool is_shared_sink(struct argp_state *state, const char *arg) {
    if (strcmp(arg, "message") && strcmp(arg, "shared"))
        argp_error(state, "--sink must be message or shared, not '%s'", arg);
    return !strcmp(arg, "shared");
}

static const char *noise_of(struct argp_state *state, const char *arg) {
    if (df_noise_kind_of(arg) < 0) argp_error(state, "--noise must be torch-cpu or torch-cuda, not '%s'", arg);
    return arg;
}

/* An option that is a field of a manifest line: the field's own rules hold. */
static error_t parse_field_option(int key, char *arg, struct argp_state *state, df_line *asked) {
    static const struct {
        int key;
        const char *field;
    } fields[] = {
        { OPT_TASK, "task" },
        { OPT_IMAGE, "image" },
        { OPT_MASK, "mask" },
        { OPT_STRENGTH, "strength" },
        { OPT_CLASS, "class" },
        { OPT_NOISE_LEVEL, "noise_level" },
        { OPT_GUIDANCE_RESCALE, "guidance_rescale" },
        { OPT_ETA, "eta" },
        { OPT_LORA, "lora" },
        { OPT_EMBEDDING, "embedding" },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        df_problems problems = { 0 };
        df_value_in value = { .kind = DF_IN_CELL, .text = arg };
        if (fields[i].key != key) continue;
        asked->where = "options";
        if (!df_field_set(asked, fields[i].field, &value, &problems)) argp_error(state, "%s", problems.text[0]);
        df_problems_free(&problems);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_text_option(int key, char *arg, struct argp_state *state, df_render_options *o) {
    char buf[256];
    switch (key) {
    case OPT_SCHEDULER:
        o->scheduler = checked(state, "scheduler", arg, df_scheduler_fault(arg, buf, sizeof buf));
        return 0;
    case OPT_NEGATIVE:
        o->negative = checked(state, "negative", arg, df_text_fault(arg, DF_MAX_PROMPT_BYTES, buf, sizeof buf));
        return 0;
    case OPT_DTYPE: o->dtype = dtype_of(state, arg); return 0;
    case OPT_INT8_SCALES: o->int8_scales = arg; return 0;
    case OPT_FAST_CONV: o->fast_conv = true; return 0;
    case OPT_BACKEND: o->backend = backend_of(state, arg); return 0;
    case OPT_NOISE: o->noise = noise_of(state, arg); return 0;
    case OPT_FORMAT: o->format = format_of(state, arg); return 0;
    case OPT_SINK: o->shared_sink = is_shared_sink(state, arg); return 0;
    default: return parse_field_option(key, arg, state, &o->asked);
    }
}

static error_t parse_render_option(int key, char *arg, struct argp_state *state) {
    df_render_options *o = state->input;
    switch (key) {
    case OPT_STEPS: o->steps = df_option_int(state, "steps", arg, 1, DF_MAX_STEPS); return 0;
    case OPT_GUIDANCE: o->guidance = guidance_of(state, arg); return 0;
    case OPT_SIZE: size_of(state, arg, o); return 0;
    case OPT_SEED:
        o->seed = df_option_int(state, "seed", arg, 0, INT64_MAX);
        o->seed_given = true;
        return 0;
    case OPT_COUNT: o->count = df_option_int(state, "count", arg, 1, DF_MAX_COUNT); return 0;
    case OPT_WORKERS: o->workers = (int)df_option_int(state, "workers", arg, 1, 256); return 0;
    case OPT_PIPELINE: o->pipeline = (int)df_option_int(state, "pipeline", arg, 1, 64); return 0;
    case OPT_MICRO_BATCH: o->micro_batch = (int)df_option_int(state, "micro-batch", arg, 1, 64); return 0;
    default: return parse_text_option(key, arg, state, o);
    }
}

static const struct argp_option render_options[] = {
    { "steps", OPT_STEPS, "N", 0, "Denoising steps (25)", 1 },
    { "guidance", OPT_GUIDANCE, "G", 0, "Classifier-free guidance; 1 switches it off (7.5)", 1 },
    { "scheduler", OPT_SCHEDULER, "NAME", 0, "Sampler, like euler_a; models/README.md lists them (the model's own)",
      1 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the pictures in pixels (the model's)", 1 },
    { "seed", OPT_SEED, "S", 0,
      "Seed of -p prompts; manifest lines without one get theirs from S and the line number (0)", 1 },
    { "count", OPT_COUNT, "N", 0, "Pictures of each prompt, with seeds S, S+1, ... (1)", 1 },
    { "negative", OPT_NEGATIVE, "TEXT", 0, "Negative prompt (none)", 1 },
    { "dtype", OPT_DTYPE, "D", 0,
      "Arithmetic: f32, bf16 with half the memory, f16 (GPUs), or int8: bf16 with 8-bit products, less exact (f32)",
      1 },
    { "backend", OPT_BACKEND, "NAME", 0,
      "What computes: cpu, cuda or reference; their pictures differ. submit also: any, whatever workers have (cpu)",
      1 },
    { "int8-scales", OPT_INT8_SCALES, "FILE", 0, "What `diffarm calibrate` made, for int8 (beside the model)", 1 },
    { "fast-conv", OPT_FAST_CONV, NULL, 0, "In bf16 and int8: faster convolutions, less exact, with more memory", 1 },
    { "noise", OPT_NOISE, "KIND", 0, "Noise generator: torch-cpu or torch-cuda, as PyTorch's on either", 1 },
    { "format", OPT_FORMAT, "F", 0, "png: a file a picture; tar: WebDataset shards of 1000 (png)", 1 },
    { "sink", OPT_SINK, "SINK", 0,
      "How pictures come to OUT: message, through the coordinator; shared, workers write them beside OUT where they "
      "see "
      "it (message)",
      1 },
    { "task", OPT_TASK, "TASK", 0,
      "txt2img, img2img, inpaint, upscale, class or uncond (what the other fields mean, else the model's own)", 1 },
    { "image", OPT_IMAGE, "FILE", 0, "Picture to start from: img2img, inpaint, upscale", 1 },
    { "mask", OPT_MASK, "FILE", 0, "Where it is white is painted anew: inpaint", 1 },
    { "strength", OPT_STRENGTH, "S", 0, "How far from the picture, above 0, up to 1 (img2img 0.8, inpaint 1)", 1 },
    { "class", OPT_CLASS, "N", 0, "Class to draw, where the model knows classes", 1 },
    { "noise-level", OPT_NOISE_LEVEL, "N", 0, "Noise on the picture before upscaling (20)", 1 },
    { "guidance-rescale", OPT_GUIDANCE_RESCALE, "R", 0, "Pulls contrast under strong guidance back, 0 to 1 (0)", 1 },
    { "lora", OPT_LORA, "FILE[:WEIGHT]", 0, "A LoRA to add to the model's weights (weight 1); may be repeated", 1 },
    { "embedding", OPT_EMBEDDING, "[TOKEN=]FILE", 0,
      "A textual inversion: a word of its own for prompts (as the file says); may be repeated", 1 },
    { "eta", OPT_ETA, "E", 0, "Noise of DDIM and TCD steps, 0 to 1 (0)", 1 },
    { "micro-batch", OPT_MICRO_BATCH, "B", 0, "Pictures that a pipeline computes together (the worker's choice)", 2 },
    { "workers", OPT_WORKERS, "N", 0, "Workers of a farm on this machine (1)", 2 },
    { "pipeline", OPT_PIPELINE, "P", 0, "Ranks that share the model in each of these workers (1)", 2 },
    { 0 },
};
const struct argp df_render_argp = { .options = render_options, .parser = parse_render_option };

static error_t parse_output(int key, char *arg, struct argp_state *state) {
    static const char *const names[] = { "text", "json", "quiet" };
    df_output *o = state->input;
    if (key != OPT_OUTPUT) return ARGP_ERR_UNKNOWN;
    for (int i = 0; i < 3; i++)
        if (!strcmp(arg, names[i])) {
            *o = (df_output)i;
            return 0;
        }
    argp_error(state, "--output must be text, json or quiet, not '%s'", arg);
    return 0;
}

static const struct argp_option output_options[] = {
    { "output", OPT_OUTPUT, "FORM", 0, "text, json (on stdout; progress stays on stderr) or quiet", 3 },
    { 0 },
};
const struct argp df_output_argp = { .options = output_options, .parser = parse_output };

void df_connect_options_init(df_connect_options *o) {
    *o = (df_connect_options) { .endpoint = DF_DEFAULT_ENDPOINT, .timeout_ms = DF_DEFAULT_TIMEOUT_MS };
}

static error_t parse_connect(int key, char *arg, struct argp_state *state) {
    df_connect_options *o = state->input;
    double seconds = 0;
    switch (key) {
    case OPT_CONNECT:
        if (!strstr(arg, "://")) argp_error(state, "--connect must be like %s, not '%s'", DF_DEFAULT_ENDPOINT, arg);
        o->endpoint = arg;
        return 0;
    case OPT_KEYS: o->keys_dir = arg; return 0;
    case OPT_TIMEOUT:
        if (!df_parse_real(arg, &seconds) || seconds <= 0 || seconds > 86400)
            argp_error(state, "--timeout must be seconds, above 0 and up to 86400, not '%s'", arg);
        o->timeout_ms = (int)(seconds * 1000);
        if (!o->timeout_ms) o->timeout_ms = 1;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option connect_options[] = {
    { "connect", OPT_CONNECT, "ENDPOINT", 0,
      "The coordinator, or file://STATE/endpoint to follow it (" DF_DEFAULT_ENDPOINT ")", 3 },
    { "keys", OPT_KEYS, "DIR", 0, "Keys for a coordinator that asks for them (`diffarm keygen`)", 3 },
    { "timeout", OPT_TIMEOUT, "SECONDS", 0, "How long to wait for the coordinator's answer (10)", 3 },
    { 0 },
};
const struct argp df_connect_argp = { .options = connect_options, .parser = parse_connect };

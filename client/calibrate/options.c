#include "client/calibrate/options.h"

#include <string.h>

#include "engine/adapters/int8_scales.h"

#define DEFAULT_MIN_SNR_DB 32

enum {
    OPT_CONFIG = 0x8000,
    OPT_PROMPTS,
    OPT_STEPS,
    OPT_SIZE,
    OPT_SEED,
    OPT_GUIDANCE,
    OPT_MIN_SNR,
    OPT_DTYPE,
    OPT_THREADS,
    OPT_NO_T5
};

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model folder in the diffusers layout, or a whole checkpoint in one safetensors file",
      1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 1 },
    { "out", 'o', "FILE", 0, "Where the scales go (beside the model, where --dtype int8 looks for them)", 1 },
    { "prompts", OPT_PROMPTS, "FILE", 0, "Text file with a prompt a line (eight of our own)", 1 },
    { "steps", OPT_STEPS, "N", 0, "Denoising steps of each picture (10)", 1 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the pictures in pixels (the model's)", 1 },
    { "seed", OPT_SEED, "S", 0, "Seed of the first picture, counting up (0)", 1 },
    { "guidance", OPT_GUIDANCE, "G", 0, "Classifier-free guidance; 1 switches it off (7.5)", 1 },
    { "min-snr", OPT_MIN_SNR, "DB", 0, "Layers with more noise than this stay as they are (32)", 1 },
    { "dtype", OPT_DTYPE, "D", 0, "Arithmetic of the run that is watched: f32 or bf16 (f32)", 1 },
    { "no-t5", OPT_NO_T5, NULL, 0, "Leave out SD3's third text encoder, as the pictures will", 1 },
    { "threads", OPT_THREADS, "T", 0, "Threads (all cores)", 1 },
    { 0 },
};

static double number_of(struct argp_state *state, const char *option, const char *arg, double min, double max) {
    double x = 0;
    if (!df_parse_real(arg, &x) || !(x >= min && x <= max))
        argp_error(state, "--%s must be a number from %g to %g, not '%s'", option, min, max, arg);
    return x;
}

static error_t parse_number(int key, char *arg, struct argp_state *state, df_calibrate_options *o) {
    switch (key) {
    case OPT_STEPS: o->steps = (int)df_option_int(state, "steps", arg, 1, DF_MAX_STEPS); return 0;
    case OPT_SEED: o->seed = df_option_int(state, "seed", arg, 0, INT64_MAX); return 0;
    case OPT_GUIDANCE: o->guidance = number_of(state, "guidance", arg, 0, DF_MAX_GUIDANCE); return 0;
    case OPT_MIN_SNR: o->min_snr_db = number_of(state, "min-snr", arg, 0, 100); return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_SIZE:
        if (!df_parse_size(arg, &o->width, &o->height)) argp_error(state, "--size must be like 512x512, not '%s'", arg);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void check_complete(struct argp_state *state, df_calibrate_options *o) {
    if (!o->model) argp_error(state, "give a model (-m MODEL)");
    if (o->out) return;
    df_int8_scales_beside(o->beside, sizeof o->beside, o->model);
    o->out = o->beside;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_calibrate_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': o->model = arg; return 0;
    case 'o': o->out = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_PROMPTS: o->prompts = arg; return 0;
    case OPT_NO_T5: o->no_t5 = true; return 0;
    case OPT_DTYPE:
        if (strcmp(arg, "f32") && strcmp(arg, "bf16")) argp_error(state, "--dtype must be f32 or bf16, not '%s'", arg);
        o->dtype = arg;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is no option", arg); return 0;
    case ARGP_KEY_END: check_complete(state, o); return 0;
    default: return parse_number(key, arg, state, o);
    }
}

static const char doc[] =
    "Runs a model over a few prompts and writes the int8 scales of its denoiser: which layers are computed in 8 bits "
    "with --dtype int8, and in which steps each takes its input.\v"
    "The range of a layer's inputs is cut where that costs the least squared error. Layers whose noise is above "
    "--min-snr are listed as kept, with their ratio of signal to noise; the first and the last layers and those of a "
    "single position are always kept.\n\n"
    "Example:\n"
    "  diffarm calibrate -m models/starter --guidance 5\n"
    "  diffarm render -p \"red apple\" -m models/starter -o out --dtype int8 --guidance 5\n";

void df_calibrate_options_parse(df_calibrate_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 3 }, { 0 } };
    static const struct argp argp = { option_table, parse, "", doc, children, NULL, NULL };
    *o = (df_calibrate_options) {
        .steps = 10, .guidance = DF_DEFAULT_GUIDANCE, .min_snr_db = DEFAULT_MIN_SNR_DB, .dtype = "f32"
    };
    df_options_parse(&argp, argc, argv, o);
}

#include "client/forward/options.h"

enum { OPT_STEPS = 0x1000, OPT_SEED, OPT_SCHEDULER, OPT_NOISE, OPT_THREADS, OPT_CONFIG };

static const struct argp_option option_table[] = {
    { "model", 'm', "DIR", 0, "Model: a folder in the diffusers layout, or one file", 1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs of a MODEL that is one file: a diffusers folder", 1 },
    { "out", 'o', "STRIP.png", 0, "Where the strip goes; written whole or not at all", 1 },
    { "steps", OPT_STEPS, "N", 0, "Pictures on the strip: 2 to 64, evenly spaced from clean to the last timestep (8)",
      1 },
    { "seed", OPT_SEED, "S", 0, "Seed of the noise (0)", 1 },
    { "scheduler", OPT_SCHEDULER, "NAME", 0,
      "Noise schedule: a name as in a manifest, or a scheduler_config.json (the model's own)", 1 },
    { "noise", OPT_NOISE, "KIND", 0, "Noise generator: torch-cpu or torch-cuda, as PyTorch's on each (torch-cpu)", 1 },
    { "threads", OPT_THREADS, "N", 0, "Threads (all cores)", 2 },
    { 0 },
};

static const char doc[] =
    "Shows forward diffusion: the picture at N noise levels, side by side, from clean on the left to the last timestep "
    "on the right.\v"
    "The picture is cropped around its centre to the nearest size that the model takes, encoded (the posterior's "
    "mean), "
    "noised and decoded; a model that works on pixels noises them as they are. One draw of noise serves all levels:\n"
    "  x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise\n"
    "`--output json' tells timesteps (null: clean), alpha_bar, and snr = abar / (1 - abar) (null: infinite).\n\n"
    "Example:\n"
    "  diffarm forward cat.png -m models/starter --steps 8 -o strip.png\n";

static df_noise_kind noise_of(struct argp_state *state, const char *arg) {
    int kind = df_noise_kind_of(arg);
    if (kind < 0) argp_error(state, "--noise must be torch-cpu or torch-cuda, not '%s'", arg);
    return (df_noise_kind)kind;
}

static void check_complete(struct argp_state *state, const df_forward_options *o) {
    if (!o->image) argp_error(state, "IMAGE.png is needed: the picture to noise");
    if (!o->model) argp_error(state, "-m MODEL is needed");
    if (!o->out) argp_error(state, "-o STRIP.png is needed");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_forward_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': o->model = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case 'o': o->out = arg; return 0;
    case OPT_STEPS: o->steps = (int)df_option_int(state, "steps", arg, 2, DF_FORWARD_MAX_STEPS); return 0;
    case OPT_SEED: o->seed = df_option_int(state, "seed", arg, 0, INT64_MAX); return 0;
    case OPT_SCHEDULER: o->scheduler = arg; return 0;
    case OPT_NOISE: o->noise = noise_of(state, arg); return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 4096); return 0;
    case ARGP_KEY_ARG:
        if (o->image) argp_error(state, "one picture at a time, not '%s' and '%s'", o->image, arg);
        o->image = arg;
        return 0;
    case ARGP_KEY_END: check_complete(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_forward_options_parse(df_forward_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, NULL, 3 }, { 0 } };
    static const struct argp argp = { option_table, parse, "IMAGE.png", doc, children, NULL, NULL };
    *o = (df_forward_options) { .steps = DF_FORWARD_DEFAULT_STEPS };
    df_options_parse(&argp, argc, argv, o);
}

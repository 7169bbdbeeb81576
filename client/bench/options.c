#include "client/bench/options.h"

#include <string.h>

#include "client/commands.h"

enum {
    OPT_BATCH = 0x7000,
    OPT_SIZE,
    OPT_DTYPE,
    OPT_INT8_SCALES,
    OPT_FAST_CONV,
    OPT_THREADS,
    OPT_RUNS,
    OPT_BACKEND,
    OPT_GPU,
    OPT_OPS,
    OPT_CONFIG,
    OPT_IN_TURNS
};

static const struct {
    const char *name;
    df_component component;
} components[] = {
    { "text", DF_TEXT_ENCODER },
    { "unet", DF_DENOISER },
    { "transformer", DF_DENOISER },
    { "vae", DF_VAE_DECODER },
};

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model folder in the diffusers layout, or a whole checkpoint in one safetensors file",
      1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 1 },
    { "batch", OPT_BATCH, "N", 0, "Rows computed together; a guided picture is two of the U-Net's (1)", 1 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the picture in pixels (the model's)", 1 },
    { "dtype", OPT_DTYPE, "D", 0, "Arithmetic: f32, bf16, f16 or int8 (f32)", 1 },
    { "int8-scales", OPT_INT8_SCALES, "FILE", 0, "What `diffarm calibrate` made, for int8 (beside the model)", 1 },
    { "fast-conv", OPT_FAST_CONV, NULL, 0, "In bf16 and int8: faster convolutions, less exact, with more memory", 1 },
    { "threads", OPT_THREADS, "T", 0, "Threads (all cores)", 1 },
    { "runs", OPT_RUNS, "N", 0, "How often it is run (5)", 1 },
    { "in-turns", OPT_IN_TURNS, NULL, 0, "Wait for a line on standard input before each run; its end ends the runs",
      1 },
    { "ops", OPT_OPS, NULL, 0, "Also tell how much of the fastest run each operation takes", 1 },
    { "backend", OPT_BACKEND, "NAME", 0, "cpu, cuda or reference (cpu)", 1 },
    { "gpu", OPT_GPU, "N", 0, "With --backend cuda: which, as CUDA counts those that are visible (0)", 1 },
    { 0 },
};

static void set_what(struct argp_state *state, df_bench_options *o, const char *arg) {
    if (o->what) argp_error(state, "one component at a time, not '%s' and '%s'", o->what, arg);
    for (size_t i = 0; i < sizeof components / sizeof *components; i++) {
        if (strcmp(arg, components[i].name) != 0) continue;
        o->what = arg;
        o->component = components[i].component;
        return;
    }
    argp_error(state, "'%s' is not text, unet, transformer or vae", arg);
}

static void set_dtype(struct argp_state *state, df_bench_options *o, const char *arg) {
    df_arithmetic is = { 0 };
    if (!df_arithmetic_of(arg, &is)) argp_error(state, "--dtype must be f32, bf16, f16 or int8, not '%s'", arg);
    o->backend_cfg.dtype = is.dtype;
    o->backend_cfg.int8 = is.int8;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_bench_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': o->model = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_BATCH: o->batch = (int)df_option_int(state, "batch", arg, 1, 1024); return 0;
    case OPT_SIZE:
        if (!df_parse_size(arg, &o->width, &o->height)) argp_error(state, "--size must be like 512x512, not '%s'", arg);
        return 0;
    case OPT_DTYPE: set_dtype(state, o, arg); return 0;
    case OPT_INT8_SCALES: o->int8_scales = arg; return 0;
    case OPT_FAST_CONV: o->backend_cfg.fast_conv = true; return 0;
    case OPT_THREADS: o->backend_cfg.threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_RUNS: o->runs = (int)df_option_int(state, "runs", arg, 1, 1000); return 0;
    case OPT_IN_TURNS: o->in_turns = true; return 0;
    case OPT_OPS: o->ops = true; return 0;
    case OPT_BACKEND: o->backend_name = arg; return 0;
    case OPT_GPU: o->backend_cfg.gpu = (int)df_option_int(state, "gpu", arg, 0, 1023); return 0;
    case ARGP_KEY_ARG: set_what(state, o, arg); return 0;
    case ARGP_KEY_END:
        if (!o->what) argp_error(state, "say what: text, unet, transformer or vae");
        if (!o->model) argp_error(state, "give a model (-m MODEL)");
        if (o->int8_scales && !o->backend_cfg.int8) argp_error(state, "--int8-scales is for --dtype int8");
        if (o->backend_cfg.fast_conv && o->backend_cfg.dtype != DF_BF16)
            argp_error(state, "--fast-conv is for --dtype bf16 and int8");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_bench_options_parse(df_bench_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 3 }, { 0 } };
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .args_doc = "text|unet|transformer|vae\npipeline ...\nscale ...\ngpu ...",
        .doc =
            "Times one pass of a component of a model, weights loaded and kernels prepared.\vWith --output json one "
            "line a run, {\"seconds\": s}, then {\"median\": s, \"peak_rss_bytes\": b}. Inputs are arbitrary "
            "numbers. A text encoder takes the prompts of --batch, the VAE decodes as many latents. `pipeline` (a "
            "pipeline "
            "beside replicas), `scale` (how a farm scales) and `gpu` (what a GPU does) have options of their own: see "
            "`diffarm bench gpu --help` and so on.",
        .children = children,
    };
    *o = (df_bench_options) { .batch = 1, .runs = 5, .backend_name = "cpu", .backend_cfg = { .dtype = DF_F32 } };
    df_options_parse(&argp, argc, argv, o);
}

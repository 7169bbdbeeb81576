#include "client/bench/gpu/options.h"

#include <stdlib.h>
#include <string.h>

#include "client/commands.h"

enum {
    OPT_BACKEND = 0x7400,
    OPT_DTYPE,
    OPT_PARTS,
    OPT_SIZE,
    OPT_STEPS,
    OPT_MICRO_BATCH,
    OPT_PICTURES,
    OPT_GPU,
    OPT_THREADS,
    OPT_CONFIGS,
    OPT_PEAK,
    OPT_DRY_RUN
};

static const char *const part_names[DF_GPU_PARTS] = { "pictures", "step", "ops" };

const char *df_gpu_part_name(df_gpu_part p) {
    return part_names[p];
}

static const struct argp_option option_table[] = {
    { "out", 'o', "REPORT", 0, "Write REPORT.json and REPORT.md; what REPORT.json has is not measured again", 1 },
    { "dry-run", OPT_DRY_RUN, NULL, 0,
      "Print what would be measured, and what to expect of each type of GPU; needs none", 1 },
    { "parts", OPT_PARTS, "LIST", 0, "Of pictures, step, ops: those with commas between (all)", 1 },
    { "backend", OPT_BACKEND, "NAME", 0, "cuda, cpu or reference (cuda)", 2 },
    { "gpu", OPT_GPU, "N", 0, "Which GPU, as CUDA counts those that are visible (0)", 2 },
    { "dtype", OPT_DTYPE, "D", 0, "Arithmetic: bf16, f16 or f32 (bf16)", 2 },
    { "threads", OPT_THREADS, "T", 0, "Threads of a backend on the CPU (all cores)", 2 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the pictures (the standard setting's)", 3 },
    { "steps", OPT_STEPS, "N", 0, "Denoising steps of a picture (the standard setting's)", 3 },
    { "micro-batch", OPT_MICRO_BATCH, "B", 0, "Pictures computed together (4)", 3 },
    { "pictures", OPT_PICTURES, "N", 0, "Pictures that are timed (four micro-batches)", 3 },
    { "configs", OPT_CONFIGS, "DIR", 0, "Folder with sd15, sdxl and sd3 (bench/models of the source tree)", 4 },
    { "peak", OPT_PEAK, "TENSOR,VECTOR,BANDWIDTH", 0,
      "What the device can do: TFLOP/s in 16 bits and in f32, GB/s (by its name)", 4 },
    { 0 },
};

static void set_parts(struct argp_state *state, df_gpu_options *o, const char *arg) {
    memset(o->part, 0, sizeof o->part);
    for (const char *at = arg, *end;; at = end + 1) {
        int found = -1;
        size_t n = strcspn(at, ",");
        end = at + n;
        for (int p = 0; p < DF_GPU_PARTS; p++)
            if (strlen(part_names[p]) == n && !strncmp(at, part_names[p], n)) found = p;
        if (found < 0) argp_error(state, "--parts must be some of pictures, step, ops, not '%s'", arg);
        o->part[found] = true;
        if (!*end) return;
    }
}

static void set_peak(struct argp_state *state, df_gpu_options *o, const char *arg) {
    double *const to[] = { &o->peak.tensor_tflops, &o->peak.vector_tflops, &o->peak.gigabytes_per_second };
    const char *at = arg;
    for (int i = 0; i < 3; i++) {
        char *end;
        *to[i] = strtod(at, &end);
        if (end == at || !(*to[i] > 0 && *to[i] < 1e9) || *end != (i < 2 ? ',' : '\0'))
            argp_error(state, "--peak must be three numbers like 989,67,3352, not '%s'", arg);
        at = end + 1;
    }
}

static void set_dtype(struct argp_state *state, df_gpu_options *o, const char *arg) {
    static const struct {
        const char *name;
        df_dtype is;
    } known[] = { { "f32", DF_F32 }, { "bf16", DF_BF16 }, { "f16", DF_F16 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(arg, known[i].name)) continue;
        o->dtype_name = known[i].name;
        o->backend_cfg.dtype = known[i].is;
        return;
    }
    argp_error(state, "--dtype must be bf16, f16 or f32, not '%s'", arg);
}

/* REPORT.json and REPORT.md are as good as REPORT. */
static const char *without_ending(struct argp_state *state, char *arg) {
    static const char *const endings[] = { ".json", ".md" };
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(arg), ending = strlen(endings[i]);
        if (n > ending && !strcmp(arg + n - ending, endings[i])) arg[n - ending] = '\0';
    }
    if (!*arg) argp_error(state, "-o must name a file");
    return arg;
}

static void add_model(struct argp_state *state, df_gpu_options *o, const char *arg) {
    if (o->n_models == DF_GPU_MOST_MODELS) argp_error(state, "more than %d models", o->n_models);
    o->model[o->n_models++] = arg;
}

static void set_size(struct argp_state *state, df_gpu_options *o, const char *arg) {
    if (!df_parse_size(arg, &o->width, &o->height)) argp_error(state, "--size must be like 512x512, not '%s'", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_gpu_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'o': o->report = without_ending(state, arg); return 0;
    case OPT_DRY_RUN: o->dry_run = true; return 0;
    case OPT_PARTS: set_parts(state, o, arg); return 0;
    case OPT_BACKEND: o->backend = arg; return 0;
    case OPT_DTYPE: set_dtype(state, o, arg); return 0;
    case OPT_GPU: o->backend_cfg.gpu = (int)df_option_int(state, "gpu", arg, 0, 1023); return 0;
    case OPT_THREADS: o->backend_cfg.threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_SIZE: set_size(state, o, arg); return 0;
    case OPT_STEPS: o->steps = (int)df_option_int(state, "steps", arg, 1, 1000); return 0;
    case OPT_MICRO_BATCH: o->micro_batch = (int)df_option_int(state, "micro-batch", arg, 1, 64); return 0;
    case OPT_PICTURES: o->pictures = (int)df_option_int(state, "pictures", arg, 1, 100000); return 0;
    case OPT_CONFIGS: o->configs = arg; return 0;
    case OPT_PEAK: set_peak(state, o, arg); return 0;
    case ARGP_KEY_ARG: add_model(state, o, arg); return 0;
    case ARGP_KEY_END:
        if (!o->report && !o->dry_run) argp_error(state, "say where the report goes (-o REPORT), or --dry-run");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Measures a GPU: pictures a second, one denoising step, and each operation of the networks by itself, and holds "
    "them against what the device could do at most. Without MODELs: sd15 (512x512, 50 steps, guidance 7.5), sdxl "
    "(MLPerf's setting: 1024x1024, 20 steps, guidance 8) and sd3 (1024x1024, 28 steps, guidance 7), whose weights need "
    "not be there: random numbers of the right shapes take as long. A MODEL may also be a folder with weights."
    "\vExamples:\n"
    "  diffarm bench gpu --dry-run\n"
    "  diffarm bench gpu -o h100\n"
    "  diffarm bench gpu sdxl --parts pictures,step --micro-batch 8 -o h100-sdxl\n\n"
    "REPORT.json is written after every measurement: interrupted, the same command goes on with what is missing. "
    "An operation by itself finds its operands in the device's cache where they fit: bandwidth may come out above the "
    "memory's. docs/gpu.md tells what to expect.\n\n"
    "Exit codes: 0 all measured, 1 something failed or it was interrupted, 2 usage, 3 no GPU that can be used.";

void df_gpu_options_parse(df_gpu_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 5 }, { 0 } };
    static const struct argp argp = {
        .options = option_table, .parser = parse, .args_doc = "[MODEL...]", .doc = doc, .children = children
    };
    *o = (df_gpu_options) { .backend = "cuda",
                            .dtype_name = "bf16",
                            .backend_cfg = { .dtype = DF_BF16 },
                            .part = { true, true, true },
                            .micro_batch = 4 };
    df_options_parse(&argp, argc, argv, o);
    if (!o->pictures) o->pictures = 4 * o->micro_batch;
    if (o->n_models) return;
    for (; o->n_models < 3; o->n_models++)
        o->model[o->n_models] = (const char *[]) { "sd15", "sdxl", "sd3" }[o->n_models];
}

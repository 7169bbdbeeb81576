#include "client/bench/pipeline_options.h"

#include "client/split_options.h"
#include "worker/defaults.h"

enum {
    OPT_RANKS = 0x7800,
    OPT_MICRO_BATCH,
    OPT_SIZE,
    OPT_DTYPE,
    OPT_THREADS,
    OPT_RUNS,
    OPT_PASSES,
    OPT_SLOTS,
    OPT_TRACE,
    OPT_SPLIT
};

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model folder in the diffusers layout", 1 },
    { "pipeline", OPT_RANKS, "P", 0, "Ranks: of the pipeline, and replicas beside it (2)", 1 },
    { "micro-batch", OPT_MICRO_BATCH, "B", 0, "Pictures computed together (1)", 1 },
    { "slots", OPT_SLOTS, "N", 0, "Micro-batches in flight (a worker's choice)", 1 },
    { "split", OPT_SPLIT, "layers|cfg", 0,
      "How the pipeline's ranks share the model: its layers, or guidance in two halves (layers)", 1 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the pictures in pixels (the model's)", 1 },
    { "dtype", OPT_DTYPE, "D", 0, "Arithmetic: f32 or bf16 (f32)", 1 },
    { "threads", OPT_THREADS, "T", 0, "Threads of each rank (1)", 1 },
    { "runs", OPT_RUNS, "N", 0, "How often both are timed, in turns (5)", 1 },
    { "passes", OPT_PASSES, "N", 0, "Micro-batches of each rank in one run (8)", 1 },
    { "trace", OPT_TRACE, "FILE", 0, "Run the pipeline alone, and write its timeline (Perfetto opens it)", 1 },
    { 0 },
};

static void set_dtype(struct argp_state *state, df_bench_pipeline_options *o, const char *arg) {
    df_arithmetic is = { 0 };
    if (!df_arithmetic_of(arg, &is) || is.int8) argp_error(state, "--dtype must be f32 or bf16, not '%s'", arg);
    o->backend_cfg.dtype = is.dtype;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_bench_pipeline_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->output;
        state->child_inputs[1] = &o->costs;
        return 0;
    case 'm': o->model = arg; return 0;
    case OPT_RANKS: o->ranks = (int)df_option_int(state, "pipeline", arg, 1, 64); return 0;
    case OPT_MICRO_BATCH:
        o->micro_batch = (int)df_option_int(state, "micro-batch", arg, 1, DF_WORKER_MAX_MICRO_BATCH);
        return 0;
    case OPT_SLOTS: o->slots = (int)df_option_int(state, "slots", arg, 1, 256); return 0;
    case OPT_SIZE:
        if (!df_parse_size(arg, &o->width, &o->height)) argp_error(state, "--size must be like 512x512, not '%s'", arg);
        return 0;
    case OPT_DTYPE: set_dtype(state, o, arg); return 0;
    case OPT_THREADS: o->backend_cfg.threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_RUNS: o->runs = (int)df_option_int(state, "runs", arg, 1, 1000); return 0;
    case OPT_PASSES: o->passes = (int)df_option_int(state, "passes", arg, 1, 100000); return 0;
    case OPT_TRACE: o->trace = arg; return 0;
    case OPT_SPLIT: o->n_halves = df_split_option(state, arg) == DF_SPLIT_CFG ? 2 : 1; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "give a model (-m MODEL)");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_bench_pipeline_options_parse(df_bench_pipeline_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 3 },
                                                  { &df_costs_argp, 0, NULL, 0 },
                                                  { 0 } };
    static const struct argp argp = {
        .options = option_table,
        .parser = parse,
        .doc = "Times a pipeline of P ranks in its steady state beside P replicas of one rank, in turns: steps of "
               "guided pictures a second.\vStarts an mpirun of itself unless it runs under one. With --output json one "
               "line a run, {\"replicas\": r, \"pipeline\": p, \"ratio\": p/r}, then {\"median_ratio\": x}.",
        .children = children,
    };
    *o = (df_bench_pipeline_options) { .ranks = 2,
                                       .n_halves = 1,
                                       .micro_batch = 1,
                                       .runs = 5,
                                       .passes = 8,
                                       .backend_cfg = { .dtype = DF_F32, .threads = 1 } };
    df_costs_options_init(&o->costs, DF_COSTS_MEASURED);
    df_options_parse(&argp, argc, argv, o);
    if (!o->slots) o->slots = df_worker_slots(o->ranks, o->n_halves);
}

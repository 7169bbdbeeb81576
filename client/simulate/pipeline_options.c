#include "client/simulate/pipeline_options.h"

#include <math.h>
#include <stdlib.h>

#include "cluster/simulate/pipesim.h"

enum {
    OPT_COSTS = 0x7a00,
    OPT_CONFIG,
    OPT_PIPELINE,
    OPT_REPLICAS,
    OPT_SIZE,
    OPT_ROWS,
    OPT_CORES,
    OPT_EAGER,
    OPT_TRACE,
    OPT_SAVE_COSTS
};

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model folder in the diffusers layout, or a file with --config; only its shapes count",
      1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 1 },
    { "costs", OPT_COSTS, "FILE", 0, "Instead of a model: what the work costs, as --save-costs writes it", 1 },
    { "pipeline", OPT_PIPELINE, "P", 0, "Ranks of a pipeline (2; those of --costs)", 1 },
    { "replicas", OPT_REPLICAS, "D", 0, "So many such pipelines side by side (1)", 1 },
    { "size", OPT_SIZE, "WxH", 0, "Size of the pictures in pixels (the model's)", 1 },
    { "rows", OPT_ROWS, "N", 0, "Pictures in all, of one pipeline (three times as many as are in flight)", 1 },
    { "cores", OPT_CORES, "C", 0, "Cores that all ranks share (a core each)", 1 },
    { "eager", OPT_EAGER, "BYTES", 0, "Larger messages wait until the receiver's thread has looked (4096)", 1 },
    { "trace", OPT_TRACE, "FILE", 0, "Write the timeline, as worker --trace does (Perfetto opens it)", 1 },
    { "save-costs", OPT_SAVE_COSTS, "FILE", 0, "Write what the work costs, to be changed and read with --costs", 1 },
    { 0 },
};

static void set_cores(struct argp_state *state, df_simulate_options *o, const char *arg) {
    char *end;
    o->cores = strtod(arg, &end);
    if (end == arg || *end || !isfinite(o->cores) || o->cores <= 0)
        argp_error(state, "--cores must be a number above 0, not '%s'", arg);
}

static void check(struct argp_state *state, const df_simulate_options *o) {
    if (!o->model == !o->costs) argp_error(state, "give a model (-m MODEL), or costs (--costs FILE)");
    if (o->costs && (o->width || o->config_dir || o->plan.device_bytes || o->plan.split))
        argp_error(state, "--size, --config, --split and --device-memory are for a model: costs are what they are");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_simulate_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->plan;
        state->child_inputs[1] = &o->output;
        return 0;
    case 'm': o->model = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_COSTS: o->costs = arg; return 0;
    case OPT_PIPELINE: o->pipeline = (int)df_option_int(state, "pipeline", arg, 1, DF_PLAN_MOST_RANKS); return 0;
    case OPT_REPLICAS: o->replicas = (int)df_option_int(state, "replicas", arg, 1, 100000); return 0;
    case OPT_SIZE:
        if (!df_parse_size(arg, &o->width, &o->height)) argp_error(state, "--size must be like 512x512, not '%s'", arg);
        return 0;
    case OPT_ROWS: o->rows = (int)df_option_int(state, "rows", arg, 1, DF_PIPESIM_MOST_ROWS); return 0;
    case OPT_CORES: set_cores(state, o, arg); return 0;
    case OPT_EAGER: o->eager_bytes = df_option_int(state, "eager", arg, 0, INT64_MAX / 2); return 0;
    case OPT_TRACE: o->trace = arg; return 0;
    case OPT_SAVE_COSTS: o->save_costs = arg; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    case ARGP_KEY_END: check(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Tells what a pipeline of P ranks would do, on hardware that need not be there: pictures a second, how long a "
    "picture takes, what each rank does with its time. The schedule runs in simulated time, by the decisions of the "
    "real one; nothing is computed."
    "\vCosts are those of the plan (`diffarm inspect MODEL --pipeline P`), modelled for one core of a CPU; --speed "
    "tells "
    "of faster ranks. docs/pipelines.md says what is simulated, and how far off it was where both could be measured.";

void df_simulate_options_parse(df_simulate_options *o, int argc, char **argv) {
    static const struct argp_child children[] = {
        { &df_plan_argp, 0, "The ranks, and what a picture asks of them:", 2 }, { &df_output_argp, 0, "", 3 }, { 0 }
    };
    static const struct argp argp = { .options = option_table, .parser = parse, .doc = doc, .children = children };
    *o = (df_simulate_options) { .replicas = 1,
                                 .eager_bytes = DF_PIPESIM_EAGER_BYTES,
                                 .plan.backend_cfg.dtype = DF_F32 };
    df_options_parse(&argp, argc, argv, o);
}

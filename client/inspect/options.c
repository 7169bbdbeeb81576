#include "client/inspect/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/commands.h"
#include "client/split_options.h"

enum {
    OPT_PIPELINE = 0x1000,
    OPT_SIZE,
    OPT_OUTPUT,
    OPT_HASH,
    OPT_VALUES,
    OPT_CONFIG,
    OPT_NO_T5,
    OPT_RANKS,
    OPT_OPTIMIZE,
    MOST_PIXELS = 16384
};

static const struct argp_option option_table[] = {
    { "pipeline", OPT_PIPELINE, "P", 0, "Also show the plan for P ranks, component by component", 0 },
    { "ranks", OPT_RANKS, "R", 0,
      "Ranks there are in all: weigh replicas, and pipelines of every depth, also in halves, on them", 0 },
    { "optimize", OPT_OPTIMIZE, "throughput|latency", 0, "What to choose for (throughput)", 0 },
    { "size", OPT_SIZE, "WxH", 0, "Picture size that costs and bytes are for (default: the model's own)", 0 },
    { "values", OPT_VALUES, NULL, 0, "With --pipeline: list every value that crosses between ranks", 0 },
    { "hash", OPT_HASH, NULL, 0, "Also compute the model's SHA-256 (reads every file)", 0 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 0 },
    { "no-t5", OPT_NO_T5, NULL, 0, "Leave out SD3's third text encoder", 0 },
    { "output", OPT_OUTPUT, "text|json", 0, "How to print it (default text)", 0 },
    { 0 },
};

static const char doc[] =
    "Tells what is in a model: components, parameters, bytes, sizes, scheduler; and how a pipeline of P ranks "
    "would share it. Nothing is loaded: configs and file headers are enough.\v"
    "Costs are those that were measured on this machine, where a worker or --plan-costs measured has done so, else "
    "modelled from shapes; for one row (one picture without guidance). A U-Net is folded, so that skip "
    "connections stay on their rank. `crossing' counts the bytes that ranks send each other in one pass of one row; "
    "`consecutive slices' is the plain cut of the same graph into P balanced runs of nodes. A plan is what a worker of "
    "P ranks runs, as long as nothing is said of links, speed and memory, which are for hardware that is not there.\n";

static int parse_int(struct argp_state *state, const char *option, const char *text, int max) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > max)
        argp_error(state, "%s must be a whole number from 1 to %d, not '%s'", option, max, text);
    return (int)n;
}

static void parse_size(struct argp_state *state, df_inspect_options *o, const char *text) {
    char rest;
    if (sscanf(text, "%5dx%5d%c", &o->width, &o->height, &rest) != 2 || o->width < 1 || o->height < 1 ||
        o->width > MOST_PIXELS || o->height > MOST_PIXELS)
        argp_error(state, "--size must be WIDTHxHEIGHT in pixels, such as 512x512, not '%s'", text);
}

static void parse_output(struct argp_state *state, df_inspect_options *o, const char *text) {
    o->json = strcmp(text, "json") == 0;
    if (!o->json && strcmp(text, "text") != 0) argp_error(state, "--output must be text or json, not '%s'", text);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_inspect_options *o = state->input;
    switch (key) {
    case OPT_PIPELINE: o->pipeline = parse_int(state, "--pipeline", arg, DF_PLAN_MOST_RANKS); return 0;
    case OPT_RANKS: o->ranks = parse_int(state, "--ranks", arg, DF_PLAN_MOST_RANKS); return 0;
    case OPT_OPTIMIZE: o->aim = df_aim_option(state, arg); return 0;
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->plan; return 0;
    case OPT_SIZE: parse_size(state, o, arg); return 0;
    case OPT_OUTPUT: parse_output(state, o, arg); return 0;
    case OPT_HASH: o->hash = true; return 0;
    case OPT_VALUES: o->values = true; return 0;
    case OPT_NO_T5: o->no_t5 = true; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time, not '%s' and '%s'", o->model, arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model)
            argp_error(state, "MODEL is needed: a folder in the diffusers layout, or a file with --config DIR");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_inspect_options_parse(df_inspect_options *o, int argc, char **argv) {
    static const struct argp_child children[] = {
        { &df_plan_argp, 0, "The ranks, and what a picture asks of them:", 2 }, { 0 }
    };
    static const struct argp argp = { option_table, parse, "MODEL", doc, children, NULL, NULL };
    *o = (df_inspect_options) { .plan.backend_cfg.dtype = DF_F32 };
    df_costs_options_init(&o->plan.costs, DF_COSTS_KNOWN);
    argp_err_exit_status = DF_EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, o);
}

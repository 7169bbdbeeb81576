#include "client/split_options.h"

#include <stdio.h>
#include <string.h>

enum { OPT_SPLIT = 0x7c00, OPT_OPTIMIZE };

static const struct argp_option option_table[] = {
    { "split", OPT_SPLIT, "layers|cfg", 0,
      "How the ranks of a pipeline share a model: its layers, or in two halves, one for the conditional rows of guided "
      "pictures, one for the others (what --optimize says)",
      2 },
    { "optimize", OPT_OPTIMIZE, "throughput|latency", 0,
      "What to share it for: pictures a second (layers), or the time of a picture alone (the faster of both) "
      "(throughput)",
      2 },
    { 0 },
};

df_split df_split_option(struct argp_state *state, const char *arg) {
    if (!strcmp(arg, "layers")) return DF_SPLIT_LAYERS;
    if (!strcmp(arg, "cfg")) return DF_SPLIT_CFG;
    argp_error(state, "--split must be layers or cfg, not '%s'", arg);
    return DF_SPLIT_BEST;
}

df_strategy_aim df_aim_option(struct argp_state *state, const char *arg) {
    if (strcmp(arg, "throughput") != 0 && strcmp(arg, "latency") != 0)
        argp_error(state, "--optimize must be throughput or latency, not '%s'", arg);
    return arg[0] == 'l' ? DF_FOR_LATENCY : DF_FOR_THROUGHPUT;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_split_options *o = state->input;
    switch (key) {
    case OPT_SPLIT: o->split = df_split_option(state, arg); return 0;
    case OPT_OPTIMIZE: o->aim = df_aim_option(state, arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp df_split_argp = { .options = option_table, .parser = parse };

bool df_split_check(const df_split_options *o, int n_ranks) {
    if (o->split != DF_SPLIT_CFG || n_ranks % 2 == 0) return true;
    fprintf(stderr, "diffarm: error: --split cfg makes two halves of the ranks of a pipeline: --pipeline %d is odd\n",
            n_ranks);
    return false;
}

const char *df_split_name(df_split s) {
    static const char *const names[] = { [DF_SPLIT_LAYERS] = "layers", [DF_SPLIT_CFG] = "cfg" };
    return names[s];
}

const char *df_aim_name(df_strategy_aim aim) {
    return aim == DF_FOR_LATENCY ? "latency" : "throughput";
}

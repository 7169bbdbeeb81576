#include "client/simulate/noop_options.h"

#include <math.h>
#include <stdlib.h>

enum {
    OPT_WORKERS = 0x7b00,
    OPT_IMAGES,
    OPT_PAYLOAD,
    OPT_PACE,
    OPT_HOLD,
    OPT_PROCESSES,
    OPT_DIR,
    OPT_RESUME,
    MAX_WORKERS = 100000,
    MAX_IMAGES = 1000000000,
    MAX_PAYLOAD = 64 << 20,
    MAX_PROCESSES = 64,
    WORKERS_A_PROCESS = 5000
};

static const struct argp_option option_table[] = {
    { "workers", OPT_WORKERS, "N", 0, "So many workers, each behind a socket of its own (100)", 1 },
    { "images", OPT_IMAGES, "M", 0, "Rows of the job (100000)", 1 },
    { "payload", OPT_PAYLOAD, "BYTES", 0, "Size of each picture; 0: results have none, and OUT gets lists only (0)",
      1 },
    { "pace", OPT_PACE, "RATE", 0, "Images a second of one worker; 0: a row takes no time (0)", 1 },
    { "hold", OPT_HOLD, "SECONDS", 0, "Leave the workers idle for so long before the job comes (0)", 1 },
    { "processes", OPT_PROCESSES, "P", 0, "Processes that the workers share (one for 5000)", 1 },
    { "resume", OPT_RESUME, NULL, 0, "The job is in the STATE of --dir already, of --images rows: go on with it", 1 },
    { "dir", OPT_DIR, "DIR", 0, "Put STATE and OUT there, and leave them (a folder that is removed)", 1 },
    { 0 },
};

static void set_pace(struct argp_state *state, df_noop_options *o, const char *arg) {
    char *end;
    o->images_per_second = strtod(arg, &end);
    if (end == arg || *end || !isfinite(o->images_per_second) || o->images_per_second < 0)
        argp_error(state, "--pace must be a number of 0 or more, not '%s'", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_noop_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case OPT_WORKERS: o->workers = (int)df_option_int(state, "workers", arg, 1, MAX_WORKERS); return 0;
    case OPT_IMAGES: o->images = df_option_int(state, "images", arg, 1, MAX_IMAGES); return 0;
    case OPT_PAYLOAD: o->payload_bytes = (int)df_option_int(state, "payload", arg, 0, MAX_PAYLOAD); return 0;
    case OPT_PACE: set_pace(state, o, arg); return 0;
    case OPT_HOLD: o->hold_s = (int)df_option_int(state, "hold", arg, 0, 86400); return 0;
    case OPT_PROCESSES: o->processes = (int)df_option_int(state, "processes", arg, 1, MAX_PROCESSES); return 0;
    case OPT_DIR: o->dir = arg; return 0;
    case OPT_RESUME: o->resume = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    case ARGP_KEY_END:
        if (!o->processes) o->processes = (o->workers + WORKERS_A_PROCESS - 1) / WORKERS_A_PROCESS;
        if (o->resume && !o->dir) argp_error(state, "--resume: say where, with --dir");
        if (o->processes > o->workers) argp_error(state, "--processes: there are no more than --workers to share");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Runs a job through a real coordinator, with workers that render nothing: what the farm itself costs, by phases."
    "\vThe coordinator is a process of its own, as `diffarm coordinator` starts it; the workers are real sockets, "
    "thousands in a process, that follow docs/protocol.md. Without --payload the job's format is \"none\": a result is "
    "a hash, and nothing is written but the lists.";

void df_noop_options_parse(df_noop_options *o, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 2 }, { 0 } };
    static const struct argp argp = { .options = option_table, .parser = parse, .doc = doc, .children = children };
    *o = (df_noop_options) { .workers = 100, .images = 100000 };
    df_options_parse(&argp, argc, argv, o);
}

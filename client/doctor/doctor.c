/* diffarm doctor: what works on this host, what does not, and what to do about it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/doctor/checkup.h"
#include "client/exit_code.h"
#include "client/options.h"
#include "client/report.h"
#include "worker/child.h"

enum {
    OPT_CONFIG = 0x8800,
    OPT_CONNECT,
    OPT_KEYS,
    OPT_TIMEOUT,
    OPT_STATE,
    OPT_BIND,
    OPT_WORKERS,
    OPT_GPU,
    OPT_LIMIT,
    OPT_PROBE
};

typedef struct options {
    df_checkup checkup;
    df_output output;
    const char *probe; /* what a child looks at; NULL: not a child */
} options;

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Is this model whole? (folder, or one file)", 1 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 1 },
    { "connect", OPT_CONNECT, "ENDPOINT", 0, "Does the coordinator there answer?", 1 },
    { "keys", OPT_KEYS, "DIR", 0, "Keys for a coordinator that asks for them (`diffarm keygen`)", 1 },
    { "timeout", OPT_TIMEOUT, "SECONDS", 0, "How long to wait for the coordinator's answer (10)", 1 },
    { "state", OPT_STATE, "DIR", 0, "Folder where a coordinator would keep its state (.)", 1 },
    { "bind", OPT_BIND, "ENDPOINT", 0, "Where a coordinator would listen (" DF_DEFAULT_ENDPOINT ")", 1 },
    { "workers", OPT_WORKERS, "N", 0, "Workers that the coordinator should take (1000)", 1 },
    { "gpu", OPT_GPU, NULL, 0, "A GPU is wanted: its absence is a problem", 1 },
    { "limit", OPT_LIMIT, "SECONDS", 0, "Time for each program that is tried (20)", 1 },
    { "probe", OPT_PROBE, "WHAT", OPTION_HIDDEN, NULL, 1 },
    { 0 },
};

static void check_complete(const struct argp_state *state, const options *o) {
    if (o->checkup.config_dir && !o->checkup.model) argp_error(state, "--config is for a model (-m MODEL)");
    if (o->checkup.keys_dir && !o->checkup.endpoint)
        argp_error(state, "--keys is for a coordinator (--connect ENDPOINT)");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    options *o = state->input;
    df_checkup *c = &o->checkup;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': c->model = arg; return 0;
    case OPT_CONFIG: c->config_dir = arg; return 0;
    case OPT_CONNECT: c->endpoint = arg; return 0;
    case OPT_KEYS: c->keys_dir = arg; return 0;
    case OPT_TIMEOUT: c->timeout_ms = (int)df_option_int(state, "timeout", arg, 1, 86400) * 1000; return 0;
    case OPT_STATE: c->state_dir = arg; return 0;
    case OPT_BIND: c->bind = arg; return 0;
    case OPT_WORKERS: c->workers = (int)df_option_int(state, "workers", arg, 1, 1000000); return 0;
    case OPT_GPU: c->gpu = true; return 0;
    case OPT_LIMIT: c->limit_seconds = (int)df_option_int(state, "limit", arg, 1, 3600); return 0;
    case OPT_PROBE: o->probe = arg; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is no option", arg); return 0;
    case ARGP_KEY_END: check_complete(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Looks at this host: cores and arithmetic, limits, the state folder, ZeroMQ, MPI and Slurm (inside an allocation "
    "it "
    "tries each way of starting ranks), GPU driver and NCCL, and on request a coordinator and a model. Nothing is "
    "changed. Exit code 0: no problem was found, 1: some.\v"
    "A note is about what is not there and need not be; a warning works, less well than it could; a problem does not "
    "work, and says what to do.\n\n"
    "Examples:\n"
    "  diffarm doctor -m models/starter\n"
    "  salloc --nodes=2 diffarm doctor --gpu --state /scratch/farm\n"
    "  diffarm doctor --connect file:///scratch/farm/state/endpoint --keys ~/.diffarm/keys\n";

/* The MPI check starts processes, which must be done before ZeroMQ has started its threads. */
static void (*const checks[])(const df_checkup *) = {
    df_check_cores, df_check_limits, df_check_state, df_check_launchers,   df_check_slurm,
    df_check_gpu,   df_check_zmq,    df_check_bind,  df_check_coordinator, df_check_model,
};

static int run_probe(const options *o) {
    if (!strcmp(o->probe, "ranks")) return df_probe_ranks();
    if (!strcmp(o->probe, "gpu")) return df_probe_gpu(o->checkup.gpu);
    fprintf(stderr, "diffarm: error: --probe must be ranks or gpu, not '%s'\n", o->probe);
    return DF_EXIT_USAGE;
}

static int run_checks(df_checkup *c, df_output output) {
    df_findings found = { .to = output == DF_OUTPUT_TEXT ? stdout : NULL,
                          .list = output == DF_OUTPUT_JSON ? json_array() : NULL };
    c->found = &found;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) checks[i](c);
    int problems = found.n[DF_FOUND_PROBLEM], warnings = found.n[DF_FOUND_WARNING];
    if (output == DF_OUTPUT_TEXT) printf("%d problems, %d warnings\n", problems, warnings);
    if (output == DF_OUTPUT_JSON)
        df_report_print_json(
            json_pack("{s:o, s:i, s:i}", "checks", found.list, "problems", problems, "warnings", warnings));
    return problems ? DF_EXIT_SOME_FAILED : DF_EXIT_OK;
}

int df_cmd_doctor(int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 3 }, { 0 } };
    static const struct argp argp = { option_table, parse, "", doc, children, NULL, NULL };
    char self[PATH_MAX];
    df_err err;
    options o = { .checkup = { .state_dir = ".",
                               .bind = DF_DEFAULT_ENDPOINT,
                               .timeout_ms = DF_DEFAULT_TIMEOUT_MS,
                               .workers = 1000,
                               .limit_seconds = 20,
                               .self = self } };
    df_options_parse(&argp, argc, argv, &o);
    if (o.probe) return run_probe(&o);
    if (df_child_self(self, sizeof self, &err)) return df_exit_with(&err);
    return run_checks(&o.checkup, o.output);
}

/* diffarm coordinator: runs the coordinator until it is told to stop. */
#include <signal.h>
#include <string.h>

#include "client/exit_code.h"
#include "client/options.h"
#include "coordinator/coordinator.h"

enum { OPT_STATE = 0x4000, OPT_BIND, OPT_INSECURE, OPT_LOG_LEVEL, OPT_LEASE_TIMEOUT, OPT_STALL_RETRY };

typedef struct coordinator_options {
    df_coordinator_cfg cfg;
    df_log_level level;
} coordinator_options;

static int milliseconds(struct argp_state *state, const char *option, const char *arg) {
    return (int)df_option_int(state, option, arg, 10, 86400000);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    coordinator_options *o = state->input;
    int level;
    switch (key) {
    case OPT_STATE: o->cfg.state_dir = arg; return 0;
    case OPT_BIND: o->cfg.bind = arg; return 0;
    case OPT_INSECURE: o->cfg.insecure = true; return 0;
    case OPT_LEASE_TIMEOUT:
        o->cfg.lease_timeout_ms = milliseconds(state, "lease-timeout-ms", arg);
        if (o->cfg.heartbeat_ms > o->cfg.lease_timeout_ms / 3) o->cfg.heartbeat_ms = o->cfg.lease_timeout_ms / 3;
        return 0;
    case OPT_STALL_RETRY: o->cfg.stall_retry_ms = milliseconds(state, "stall-retry-ms", arg); return 0;
    case OPT_LOG_LEVEL:
        if ((level = df_log_level_of(arg)) < 0) argp_error(state, "--log must be debug, info, warn, error or off");
        o->level = (df_log_level)level;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    case ARGP_KEY_END:
        if (!o->cfg.state_dir) argp_error(state, "give a folder for the farm's state (--state DIR)");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "state", OPT_STATE, "DIR", 0, "Folder of the farm's state; made if it is not there", 0 },
    { "bind", OPT_BIND, "ENDPOINT", 0, "Where to listen (" DF_DEFAULT_ENDPOINT "); port *: any free one", 0 },
    { "insecure", OPT_INSECURE, NULL, 0, "Listen beyond this machine without authentication", 0 },
    { "lease-timeout-ms", OPT_LEASE_TIMEOUT, "MS", 0, "A worker silent for so long loses its pictures", 0 },
    { "stall-retry-ms", OPT_STALL_RETRY, "MS", 0, "How often a job that cannot write its OUT is tried again", 0 },
    { "log", OPT_LOG_LEVEL, "LEVEL", 0, "debug, info, warn, error or off (info)", 0 },
    { 0 },
};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Runs the coordinator of a farm: takes jobs, hands out pictures to workers, writes the results. It may be "
           "killed and started again on the same state at any time; the farm goes on.",
};

/* A signal handler can reach nothing but a global. */
static df_coordinator *running;

static void on_signal(int number) {
    (void)number;
    df_coordinator_stop(running);
}

static df_code run(const df_coordinator_cfg *cfg, df_err *err) {
    df_code rc = df_coordinator_open(&running, cfg, err);
    if (rc) return rc;
    struct sigaction act = { .sa_handler = on_signal };
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    rc = df_coordinator_run(running, err);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    df_coordinator_close(&running);
    return rc;
}

int df_cmd_coordinator(int argc, char **argv) {
    df_err err;
    coordinator_options o = { .cfg = df_coordinator_cfg_default(), .level = DF_LOG_INFO };
    if (!o.cfg.bind) o.cfg.bind = DF_DEFAULT_ENDPOINT;
    df_options_parse(&argp, argc, argv, &o);
    df_log log = df_log_to(stderr, o.level, "coordinator");
    o.cfg.log = &log;
    return run(&o.cfg, &err) ? df_exit_with(&err) : DF_EXIT_OK;
}

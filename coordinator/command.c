/* `diffarm coordinator`: options, signals, and the loop. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "client/commands.h"
#include "coordinator/coordinator.h"

enum { MOST_THREADS = 4 }; /* unless told: then the disk, or the network, is what binds */

enum {
    OPT_INSECURE = 256,
    OPT_KEYS,
    OPT_LEASE_SECONDS,
    OPT_LEASE_TIMEOUT,
    OPT_HEARTBEAT,
    OPT_STALL_RETRY,
    OPT_LOG_LEVEL,
    OPT_EXIT_WHEN_IDLE,
    OPT_MAX_CONNECTIONS,
    OPT_THREADS,
    OPT_HTTP,
    OPT_HTTP_TOKEN
};

static const struct argp_option options[] = {
    { "state", 's', "DIR", 0, "Folder of jobs and progress (required); made if absent", 0 },
    { "bind", 'b', "ENDPOINT", 0, "Where to listen (tcp://127.0.0.1:7700); port * takes any free one", 0 },
    { "keys", OPT_KEYS, "DIR", 0, "Let in known keys only, and encrypt (`diffarm keygen DIR`); needed beyond loopback",
      0 },
    { "insecure", OPT_INSECURE, NULL, 0,
      "Listen where other machines reach it WITHOUT keys: anyone there can use and harm the farm", 0 },
    { "lease-seconds", OPT_LEASE_SECONDS, "S", 0, "Workers are lent about so much work at once (30)", 0 },
    { "lease-timeout-ms", OPT_LEASE_TIMEOUT, "MS", 0, "A worker silent for so long loses its rows (10000)", 0 },
    { "heartbeat-ms", OPT_HEARTBEAT, "MS", 0, "Workers send a sign of life so often (2000)", 0 },
    { "stall-retry-ms", OPT_STALL_RETRY, "MS", 0, "A job whose OUT cannot be written is tried so often (3000)", 0 },
    { "max-connections", OPT_MAX_CONNECTIONS, "N", 0,
      "Peers beyond these are told that there is no room (as many as there may be open files)", 0 },
    { "threads", OPT_THREADS, "N", 0, "Threads that look at pictures and write them (one a core, at most 4)", 0 },
    { "exit-when-idle", OPT_EXIT_WHEN_IDLE, "SECONDS", 0, "End when all jobs have ended and none came for so long", 0 },
    { "http", OPT_HTTP, "ADDRESS", 0, "Web page, /metrics and /healthz, like 127.0.0.1:7780 (none)", 0 },
    { "http-token", OPT_HTTP_TOKEN, "FILE", 0,
      "Token that the web page asks for, made if absent; needed beyond loopback: then open "
      "http://HOST:PORT/?token=TOKEN",
      0 },
    { "log-level", OPT_LOG_LEVEL, "LEVEL", 0, "debug, info, warn, error or off (info)", 0 },
    { 0 },
};

typedef struct arguments {
    df_coordinator_cfg cfg;
    df_log_level log_level;
} arguments;

static int read_number(struct argp_state *state, const char *arg, long low, long high) {
    char *end;
    errno = 0;
    long value = strtol(arg, &end, 10);
    if (errno || !*arg || *end || value < low || value > high)
        argp_error(state, "\"%s\" is not a number from %ld to %ld", arg, low, high);
    return (int)value;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    arguments *a = state->input;
    int level;
    switch (key) {
    case 's': a->cfg.state_dir = arg; return 0;
    case 'b': a->cfg.bind = arg; return 0;
    case OPT_KEYS: a->cfg.keys_dir = arg; return 0;
    case OPT_INSECURE: a->cfg.insecure = true; return 0;
    case OPT_LEASE_SECONDS: a->cfg.lease_target_ms = 1000 * read_number(state, arg, 1, 86400); return 0;
    case OPT_LEASE_TIMEOUT: a->cfg.lease_timeout_ms = read_number(state, arg, 50, 86400000); return 0;
    case OPT_HEARTBEAT: a->cfg.heartbeat_ms = read_number(state, arg, 10, 3600000); return 0;
    case OPT_STALL_RETRY: a->cfg.stall_retry_ms = read_number(state, arg, 10, 3600000); return 0;
    case OPT_EXIT_WHEN_IDLE: a->cfg.exit_when_idle_ms = 1000 * read_number(state, arg, 1, 86400); return 0;
    case OPT_MAX_CONNECTIONS: a->cfg.max_connections = (size_t)read_number(state, arg, 1, 1000000); return 0;
    case OPT_THREADS: a->cfg.n_helpers = read_number(state, arg, 1, 256) - 1; return 0;
    case OPT_HTTP: a->cfg.http = arg; return 0;
    case OPT_HTTP_TOKEN: a->cfg.http_token_file = arg; return 0;
    case OPT_LOG_LEVEL:
        if ((level = df_log_level_of(arg)) < 0) argp_error(state, "unknown log level \"%s\"", arg);
        a->log_level = (df_log_level)level;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "\"%s\" is not expected", arg); return 0;
    case ARGP_KEY_END:
        if (!a->cfg.state_dir) argp_error(state, "--state DIR is required");
        if (a->cfg.heartbeat_ms * 2 > a->cfg.lease_timeout_ms)
            argp_error(state, "--lease-timeout-ms must be at least twice --heartbeat-ms");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] = "Takes jobs, lends their rows to workers and writes the results."
                          "\vMay be killed and started again on the same state folder at any time: workers and clients "
                          "find it again by themselves. STATE/endpoint says where it listens.";

static int helpers_by_cores(void) {
    int cores = df_cores_count();
    return (cores < MOST_THREADS ? cores : MOST_THREADS) - 1;
}

static df_coordinator *running; /* a signal handler has no other way to it */

static void on_signal(int number) {
    (void)number;
    df_coordinator_stop(running);
}

static void catch_signals(void) {
    struct sigaction stop = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void release_signals(void) {
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

static int report(const char *program, const df_err *err) {
    fprintf(stderr, "%s: %s\n", program, err->text);
    return err->code == DF_EINVAL ? DF_EXIT_USAGE : DF_EXIT_NO_FARM;
}

int df_cmd_coordinator(int argc, char **argv) {
    const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
    arguments a = { .cfg = df_coordinator_cfg_default(), .log_level = DF_LOG_INFO };
    df_err err;
    a.cfg.n_helpers = helpers_by_cores();
    argp_err_exit_status = DF_EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a)) return DF_EXIT_USAGE;
    df_log log = df_log_to(stderr, a.log_level, "coordinator");
    a.cfg.log = &log;
    if (df_coordinator_open(&running, &a.cfg, &err)) return report(argv[0], &err);
    catch_signals();
    df_code rc = df_coordinator_run(running, &err);
    release_signals();
    df_coordinator_close(&running);
    return rc ? report(argv[0], &err) : DF_EXIT_OK;
}

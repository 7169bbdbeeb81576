/* diffarm worker: alone one rank; under mpirun or srun its ranks are one pipeline; alone with --pipeline P > 1 it
 * starts and supervises an mpirun or srun of itself. */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cores.h"
#include "base/memory.h"
#include "client/backend_choice.h"
#include "client/costs_options.h"
#include "client/exit_code.h"
#include "client/options.h"
#include "client/split_options.h"
#include "cluster/rank_device.h"
#include "cluster/timeline.h"
#include "worker/binding.h"
#include "worker/defaults.h"
#include "worker/fetch.h"
#include "worker/launch_choice.h"
#include "worker/supervisor.h"
#include "worker/worker.h"

#define MAX_MODELS 64
#define TOLD_SECONDS 3 /* after a rank's SIGTERM, for its supervisor to say that it is meant to drain */
#define TELL_MS 60000 /* for a rank to say where it runs */
#define DF_EXIT_WORKER_FAILED 1 /* a supervisor starts it again */

enum {
    OPT_CONNECT = 0x5000,
    OPT_PIPELINE,
    OPT_THREADS,
    OPT_MICRO_BATCH,
    OPT_BACKEND,
    OPT_GPU,
    OPT_DRAIN,
    OPT_LOG,
    OPT_PACKED_CACHE,
    OPT_TRACE,
    OPT_KEYS,
    OPT_WALLTIME,
    OPT_END_TIME,
    OPT_STALL_TIMEOUT,
    OPT_PULSE,
    OPT_HOSTS,
    OPT_LAUNCHER,
    OPT_MPI,
    OPT_LAUNCH_OPTION,
    OPT_INPUTS,
    OPT_INPUT_CACHE,
    OPT_INPUT_CACHE_MIB
};

enum { DEFAULT_SILENCE_SECONDS = 60, MAX_LAUNCH_OPTIONS = 32, TRIAL_SECONDS = 30 };

typedef struct worker_options {
    const char *endpoint, *keys_dir;
    int64_t end_unix_ms; /* 0: none */
    const char *model[MAX_MODELS];
    int n_models;
    int pipeline, threads, gpu, micro_batch, drain_seconds, stall_seconds;
    bool pulse; /* a supervisor listens */
    const char *backend, *packed_dir, *trace, *hosts;
    df_launcher launcher;
    const char *mpi, *launch_option[MAX_LAUNCH_OPTIONS + 1];
    int n_launch_options;
    const char *inputs_dir, *input_cache_dir;
    int64_t input_cache_mib;
    df_costs_options costs;
    df_split_options split;
    df_log_level level;
} worker_options;

/* "90", "30:00", "12:30:00" or "2-00:00:00", as Slurm writes times; but a lone number is seconds. -1: none of these. */
static int64_t seconds_of(const char *text) {
    int64_t days = 0, part, total = 0;
    int used, n_parts = 0;
    if (strchr(text, '-')) {
        if (sscanf(text, "%4" SCNd64 "-%n", &days, &used) != 1 || days < 0) return -1;
        text += used;
    }
    for (;; text++) {
        if (++n_parts > 3 || *text < '0' || *text > '9' || sscanf(text, "%9" SCNd64 "%n", &part, &used) != 1) return -1;
        total = 60 * total + part;
        text += used;
        if (!*text) return 86400 * days + total;
        if (*text != ':') return -1;
    }
}

static int64_t walltime_ms(struct argp_state *state, const char *arg) {
    int64_t seconds = seconds_of(arg);
    if (seconds < 1) argp_error(state, "--walltime must be seconds, or like 12:30:00 or 2-00:00:00, not '%s'", arg);
    return df_clock_wall_ms() + 1000 * seconds;
}

static const char *mpi_kind(struct argp_state *state, const char *arg) {
    if (!*arg || strlen(arg) > 20 || arg[strspn(arg, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        argp_error(state, "--mpi must be a kind of `srun --mpi=list`, like pmix, not '%s'", arg);
    return arg;
}

static error_t parse_more(int key, char *arg, struct argp_state *state, worker_options *o) {
    int level;
    switch (key) {
    case OPT_BACKEND: o->backend = arg; return 0;
    case OPT_GPU: o->gpu = (int)df_option_int(state, "gpu", arg, 0, 1023); return 0;
    case OPT_TRACE: o->trace = arg; return 0;
    case OPT_KEYS: o->keys_dir = arg; return 0;
    case OPT_WALLTIME: o->end_unix_ms = walltime_ms(state, arg); return 0;
    case OPT_END_TIME:
        o->end_unix_ms = 1000 * df_option_int(state, "end-time", arg, 1, INT32_MAX * (int64_t)2);
        return 0;
    case OPT_STALL_TIMEOUT: o->stall_seconds = (int)df_option_int(state, "stall-timeout", arg, 1, 86400); return 0;
    case OPT_PULSE: o->pulse = true; return 0;
    case OPT_HOSTS:
        if (!*arg) argp_error(state, "--hosts must name hosts, like a:2,b:2");
        o->hosts = arg;
        return 0;
    case OPT_LAUNCHER:
        if ((level = df_launcher_of(arg)) < 0)
            argp_error(state, "--launcher must be auto, mpirun or srun, not '%s'", arg);
        o->launcher = (df_launcher)level;
        return 0;
    case OPT_MPI: o->mpi = mpi_kind(state, arg); return 0;
    case OPT_LAUNCH_OPTION:
        if (o->n_launch_options == MAX_LAUNCH_OPTIONS)
            argp_error(state, "more than %d --launch-option", MAX_LAUNCH_OPTIONS);
        o->launch_option[o->n_launch_options++] = arg;
        return 0;
    case OPT_DRAIN: o->drain_seconds = (int)df_option_int(state, "drain-seconds", arg, 0, 86400); return 0;
    case OPT_PACKED_CACHE: o->packed_dir = arg; return 0;
    case OPT_INPUTS: o->inputs_dir = arg; return 0;
    case OPT_INPUT_CACHE: o->input_cache_dir = arg; return 0;
    case OPT_INPUT_CACHE_MIB: o->input_cache_mib = df_option_int(state, "input-cache-mib", arg, 1, INT32_MAX); return 0;
    case OPT_LOG:
        if ((level = df_log_level_of(arg)) < 0) argp_error(state, "--log must be debug, info, warn, error or off");
        o->level = (df_log_level)level;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    worker_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->costs;
        state->child_inputs[1] = &o->split;
        return 0;
    case OPT_CONNECT:
        if (!strstr(arg, "://")) argp_error(state, "--connect must be like %s, not '%s'", DF_DEFAULT_ENDPOINT, arg);
        o->endpoint = arg;
        return 0;
    case 'm':
        if (o->n_models == MAX_MODELS) argp_error(state, "more than %d models", MAX_MODELS);
        o->model[o->n_models++] = arg;
        return 0;
    case OPT_PIPELINE: o->pipeline = (int)df_option_int(state, "pipeline", arg, 1, 64); return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_MICRO_BATCH:
        o->micro_batch = (int)df_option_int(state, "micro-batch", arg, 1, DF_WORKER_MAX_MICRO_BATCH);
        return 0;
    default: return parse_more(key, arg, state, o);
    }
}

static const struct argp_option options[] = {
    { "connect", OPT_CONNECT, "ENDPOINT", 0, "The coordinator (" DF_DEFAULT_ENDPOINT ")", 0 },
    { "walltime", OPT_WALLTIME, "TIME", 0,
      "Seconds, or like 12:30:00, that it may run: it takes what it can finish, and ends in time (no end)", 0 },
    { "end-time", OPT_END_TIME, "UNIX-TIME", 0, "The same as a point in time, seconds since 1970 ($SLURM_JOB_END_TIME)",
      0 },
    { "keys", OPT_KEYS, "DIR", 0, "Keys for a coordinator that asks for them (`diffarm keygen`)", 0 },
    { "model", 'm', "MODEL", 0, "A model to offer; may be repeated (any that a job names)", 0 },
    { "pipeline", OPT_PIPELINE, "P", 0, "Ranks that share the model (1, or as many as mpirun or srun started)", 0 },
    { "hosts", OPT_HOSTS, "LIST", 0,
      "With --pipeline: where the ranks run, like a:2,b:2: so many on each; rank 0 is on the first (here)", 0 },
    { "launcher", OPT_LAUNCHER, "NAME", 0,
      "With --pipeline: mpirun, srun (inside an allocation), or auto: srun for ranks on several nodes if it works "
      "(auto)",
      0 },
    { "mpi", OPT_MPI, "KIND", 0, "With srun: pmix, pmi2 or what else `srun --mpi=list` shows (what works)", 0 },
    { "launch-option", OPT_LAUNCH_OPTION, "OPTION", 0,
      "One more option for the launcher, like --launch-option=--gpus-per-task=1; may be repeated", 0 },
    { "threads", OPT_THREADS, "T", 0, "Threads of each rank (its share of the cores)", 0 },
    { "micro-batch", OPT_MICRO_BATCH, "B", 0, "Pictures computed together (the job's choice, else 4 or, if small, 8)",
      0 },
    { "backend", OPT_BACKEND, "NAME", 0, "cpu, cuda or reference (cpu)", 0 },
    { "gpu", OPT_GPU, "N", 0,
      "With --backend cuda: the first rank's, as CUDA counts those that are visible; each further rank of a host takes "
      "the next (0)",
      0 },
    { "drain-seconds", OPT_DRAIN, "S", 0, "After SIGTERM, SIGINT or SIGUSR1: time to finish what is begun (30)", 0 },
    { "packed-cache", OPT_PACKED_CACHE, "DIR", 0, "Keep packed weights there, and start from them the next time", 0 },
    { "inputs", OPT_INPUTS, "DIR", 0,
      "Open pictures and adapters of rows below it alone, and fetch others from the coordinator (anywhere)", 0 },
    { "input-cache", OPT_INPUT_CACHE, "DIR", 0,
      "Keep copies of fetched pictures and adapters there; all ranks must see it (a folder of its own in /tmp)", 0 },
    { "input-cache-mib", OPT_INPUT_CACHE_MIB, "N", 0, "They take so much at most (4096)", 0 },
    { "stall-timeout", OPT_STALL_TIMEOUT, "S", 0,
      "A rank that hangs for so long ends the pipeline (60; never less than 20 times a rank's usual pause)", 0 },
    { "trace", OPT_TRACE, "FILE", 0, "At the end: what every rank did when, as a Chrome trace (Perfetto opens it)", 0 },
    { "pulse", OPT_PULSE, NULL, OPTION_HIDDEN, "Ranks write to their output what a supervisor wants to know", 0 },
    { "log", OPT_LOG, "LEVEL", 0, "debug, info, warn, error or off (info)", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &df_costs_argp, 0, NULL, 0 }, { &df_split_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .doc =
        "Renders pictures for a coordinator until it is told to stop.\vSIGTERM, SIGINT and SIGUSR1 drain it: pictures "
        "not begun are handed back, begun ones finished; a second SIGTERM or SIGINT, or SIGUSR2, hands all back at "
        "once. Exit codes: 0 drained, 1 failed, 2 usage, 3 refused by the coordinator or unable to offer a model.",
};

/* A signal handler can reach nothing but a global. 1: drain; 2: hand all back. A user's second SIGTERM or SIGINT is the
 * more urgent one; SIGUSR1 is said again and again until it is heard, and batch systems add a SIGTERM to it. */
static volatile sig_atomic_t drain;
static volatile sig_atomic_t rank_on_roll = -1; /* of a supervised rank; -1: no supervisor listens */

static void on_signal(int number) {
    static volatile sig_atomic_t n_asked, told_so; /* told_so: by a supervisor */
    bool supervised = rank_on_roll >= 0;
    if (number == SIGUSR1 || number == SIGUSR2) told_so = 1;
    if (supervised && number == SIGTERM) df_roll_leave(STDOUT_FILENO, rank_on_roll);
    if (supervised) alarm(told_so ? 0 : TOLD_SECONDS);
    if (supervised && !told_so) return;
    if (number == SIGTERM || number == SIGINT) n_asked = n_asked < 2 ? n_asked + 1 : 2;
    int wish = number == SIGUSR1 ? 1 : number == SIGUSR2 ? 2 : n_asked;
    if (wish > drain) drain = wish;
}

/* A rank that was told to end by its launcher alone: another has died. */
static void on_alarm(int number) {
    (void)number;
    _exit(128 + SIGTERM);
}

static void drain_on_signals(void) {
    struct sigaction act = { .sa_handler = on_signal };
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGUSR2, &act, NULL);
    act.sa_handler = on_alarm;
    sigaction(SIGALRM, &act, NULL);
}

/* Ranks that could run on the same cores part them, unless they were told to have more threads than cores. */
static int settle(const df_comm *comm, const worker_options *o, const df_log *log) {
    char cores[128];
    int each = df_cores_each(comm->shares), threads = o->threads ? o->threads : each;
    if (comm->shares > 1 && threads <= each) df_cores_keep_part(comm->share, comm->shares);
    if (threads > df_cores_count()) /* a launcher that binds ranks must give each as many cores as threads */
        df_log_event(log, DF_LOG_WARN, "more_threads_than_cores", "rank=%d of=%d threads=%d cores=%s", comm->rank,
                     comm->size, threads, df_cores_text(cores, sizeof cores));
    return threads;
}

/* Ranks that may come to share guidance in two halves meet in the host's memory. */
static bool may_be_in_halves(const worker_options *o) {
    return o->split.split == DF_SPLIT_CFG || (o->split.split == DF_SPLIT_BEST && o->split.aim == DF_FOR_LATENCY);
}

/* This rank's, told in the log; *comm then carries data between devices. */
static df_code claim_device(df_rank_device *d, df_comm **comm, const df_backend *backend, const worker_options *o,
                            const df_log *log, df_err *err) {
    df_code rc = df_rank_device_claim(d, *comm, backend, o->gpu, err);
    if (!rc && !may_be_in_halves(o)) rc = df_rank_device_carry(d, comm, err);
    if (!rc && d->text[0])
        df_log_event(log, DF_LOG_INFO, "gpu", "binding=\"%s\" transport=%s%s%s%s", d->text,
                     d->carrier ? d->carrier : (*comm)->ops->name, d->why[0] ? " not_nccl=\"" : "", d->why,
                     d->why[0] ? "\"" : "");
    return rc;
}

/* *comm_io may become another that owns it. */
static int run_ranks(df_comm **comm_io, const worker_options *o, df_pulse *pulse, const df_log *log) {
    df_err err;
    bool refused = false;
    df_rank_device device;
    const df_backend *backend = NULL;
    int threads = settle(*comm_io, o, log);
    df_code rc = df_backend_load(&backend, o->backend, &err);
    if (!rc) rc = claim_device(&device, comm_io, backend, o, log, &err);
    df_comm *comm = *comm_io;
    if (rc && comm->rank) return DF_EXIT_NO_FARM; /* rank 0 says the same */
    if (rc) return df_exit_without_backend(o->backend, &err);
    df_binding mine = { .threads = threads };
    df_binding_look(&mine);
    const df_worker_cfg cfg = { .endpoint = o->endpoint,
                                .keys_dir = o->keys_dir,
                                .ends_at_ms = o->end_unix_ms ? df_clock_ms() + o->end_unix_ms - df_clock_wall_ms() : 0,
                                .models = o->model,
                                .n_models = o->n_models,
                                .backend = backend,
                                .threads = mine.threads,
                                .gpu = device.gpu,
                                .micro_batch = o->micro_batch,
                                .packed_dir = o->packed_dir,
                                .costs = df_costs_options_cfg(&o->costs),
                                .split = o->split.split,
                                .aim = o->split.aim,
                                .inputs_dir = o->inputs_dir,
                                .input_cache_dir = o->input_cache_dir,
                                .input_cache_bytes = (uint64_t)o->input_cache_mib << 20,
                                .drain = &drain,
                                .drain_ms = o->drain_seconds * 1000,
                                .stall_timeout_ms = o->stall_seconds * INT64_C(1000),
                                .trace_path = o->trace,
                                .pulse = pulse,
                                .log = log };
    rc = df_bindings_tell(comm, &mine, cfg.stall_timeout_ms ? cfg.stall_timeout_ms : TELL_MS, log, &err);
    if (!rc) rc = df_worker_run(comm, &cfg, &refused, &err);
    df_log_event(log, DF_LOG_INFO, "memory", "rank=%d of=%d peak_mib=%.1f", comm->rank, comm->size,
                 (double)df_memory_peak_bytes() / (1 << 20));
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: worker: %s\n", err.text);
    return refused ? DF_EXIT_NO_FARM : DF_EXIT_WORKER_FAILED;
}

static int run_launched(const worker_options *o, int size, const df_log *log) {
    df_err err;
    df_comm *comm = NULL;
    df_pulse *pulse = NULL;
    if (o->pipeline && o->pipeline != size) {
        fprintf(stderr, "diffarm: error: --pipeline %d, but the launcher started %d ranks\n", o->pipeline, size);
        return DF_EXIT_USAGE;
    }
    if (!df_split_check(&o->split, size)) return DF_EXIT_USAGE;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the launcher's death is ours: no rank may stay behind */
    if (df_comm_mpi_open(&comm, &err)) return df_exit_with(&err);
    if (comm->size != size) {
        fprintf(
            stderr,
            "diffarm: error: worker: the launcher started %d ranks, MPI knows of %d: they do not speak to each other "
            "(`diffarm doctor` says which launcher works)\n",
            size, comm->size);
        return DF_EXIT_NO_FARM;
    }
    if (o->pulse && !comm->rank && df_pulse_start(&pulse, STDOUT_FILENO, &err)) return df_exit_with(&err);
    if (o->pulse) df_roll_come(STDOUT_FILENO, rank_on_roll = comm->rank);
    int code = run_ranks(&comm, o, pulse, log);
    if (o->pulse) df_roll_leave(STDOUT_FILENO, comm->rank);
    df_pulse_stop(&pulse); /* MPI's farewell has its time as well */
    /* After a failure the other ranks may wait for us in vain: ending without MPI's farewell ends the job. */
    if (code == DF_EXIT_WORKER_FAILED) _exit(code);
    comm->ops->close(&comm);
    return code;
}

static int run_alone(const worker_options *o, const df_log *log) {
    df_err err;
    df_comm *comm = NULL;
    if (df_comm_self_open(&comm, &err)) return df_exit_with(&err);
    int code = run_ranks(&comm, o, NULL, log);
    comm->ops->close(&comm);
    return code;
}

/* Where the ranks run, and by what they are started. */
static df_launch_cfg launch_cfg(const worker_options *o, int64_t silence_ms) {
    df_launch_cfg l = { .by = o->launcher,
                        .mpi = o->mpi,
                        .n_ranks = o->pipeline,
                        .hosts = o->hosts,
                        .silence_seconds = (int)(silence_ms / 1000),
                        .threads = o->threads,
                        .in = df_allocation_here(),
                        .options = o->launch_option };
    /* A task is one of many: others have their own nodes. */
    l.here = !o->hosts && (l.in.in_step || (l.in.n_nodes == 1 && *l.in.node));
    return l;
}

/* Ranks that are all on this machine have equal parts of what we have; elsewhere each counts the cores where it is. */
static int add_threads(const char **args, int n, const worker_options *o, const df_launch_cfg *l, char text[16]) {
    if (o->hosts || (*l->in.job && !l->here)) return n;
    snprintf(text, 16, "%d", o->threads ? o->threads : df_cores_each(o->pipeline));
    args[n++] = "--threads";
    args[n++] = text;
    return n;
}

static int run_supervised(const worker_options *o, char **argv, const df_log *log) {
    static const char *const probe[] = { "doctor", "--probe=ranks", NULL };
    df_err err;
    df_launch_choice choice;
    char threads[16], ranks[16], end_time[32], why[700];
    const char *args[256] = { "worker" };
    int n = 1;
    df_supervisor_cfg cfg = { .args = args,
                              .drain = &drain,
                              .silence_ms =
                                  (o->stall_seconds ? o->stall_seconds : DEFAULT_SILENCE_SECONDS) * INT64_C(1000),
                              .log = log };
    cfg.launch = launch_cfg(o, cfg.silence_ms);
    if (df_launch_choose(&cfg.launch, &choice, probe, TRIAL_SECONDS, &err)) return df_exit_with(&err);
    bool srun = cfg.launch.by == DF_LAUNCHER_SRUN;
    df_log_event(log, DF_LOG_INFO, "launcher", "launcher=%s%s%s ranks=%d why=%s", df_launcher_name(cfg.launch.by),
                 srun ? " mpi=" : "", srun ? cfg.launch.mpi : "", o->pipeline,
                 df_log_quote(why, sizeof why, choice.why));
    for (char **a = argv + 1; *a && n < 250; a++) args[n++] = *a;
    args[n++] = "--pulse";
    snprintf(ranks, sizeof ranks, "%d", o->pipeline);
    args[n++] = "--pipeline"; /* which --split may have said */
    args[n++] = ranks;
    n = add_threads(args, n, o, &cfg.launch, threads);
    if (o->end_unix_ms) { /* the point in time: it may be started again much later */
        snprintf(end_time, sizeof end_time, "%" PRId64, o->end_unix_ms / 1000);
        args[n++] = "--end-time";
        args[n++] = end_time;
    }
    args[n] = NULL;
    df_err_set(&err, DF_OK, "%s", "");
    int code = df_supervisor_run(&cfg, &err);
    if (err.text[0]) fprintf(stderr, "diffarm: error: worker: %s\n", err.text);
    return code;
}

int df_cmd_worker(int argc, char **argv) {
    int rank, size;
    df_err err;
    worker_options o = { .endpoint = DF_DEFAULT_ENDPOINT,
                         .backend = "cpu",
                         .drain_seconds = 30,
                         .input_cache_mib = DF_FETCH_DEFAULT_MIB,
                         .level = DF_LOG_INFO };
    df_costs_options_init(&o.costs, DF_COSTS_MEASURED);
    const char *slurm_end = getenv("SLURM_JOB_END_TIME");
    if (slurm_end && *slurm_end >= '1' && *slurm_end <= '9')
        o.end_unix_ms = 1000 * (int64_t)strtoll(slurm_end, NULL, 10);
    df_options_parse(&argp, argc, argv, &o);
    bool launched = df_comm_mpi_launched(&rank, &size);
    if (o.trace && !(launched && rank) && df_timeline_write_empty(o.trace, &err)) {
        fprintf(stderr, "diffarm: error: --trace %s\n", err.text);
        return DF_EXIT_USAGE;
    }
    df_log log = df_log_to(stderr, o.level, launched && rank ? "rank" : "worker");
    drain_on_signals();
    if (o.hosts && o.pipeline < 2) {
        fprintf(stderr, "diffarm: error: --hosts is for a pipeline: say of how many ranks with --pipeline P\n");
        return DF_EXIT_USAGE;
    }
    if (launched) return run_launched(&o, size, &log);
    if (!o.pipeline && o.split.split == DF_SPLIT_CFG) o.pipeline = 2;
    if (!df_split_check(&o.split, o.pipeline)) return DF_EXIT_USAGE;
    const df_backend *backend;
    if (df_backend_choose(&backend, o.backend, 0, &err)) return df_exit_without_backend(o.backend, &err);
    return o.pipeline > 1 ? run_supervised(&o, argv, &log) : run_alone(&o, &log);
}

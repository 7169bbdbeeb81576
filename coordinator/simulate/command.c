/* diffarm simulate farm: runs simulated worlds, one after another, in several processes. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/commands.h"
#include "coordinator/simulate/world.h"

enum { MAX_JOBS = 64, MAX_TOLD = 5, FAILED = 1 };

typedef struct arguments {
    uint64_t seed, n_schedules;
    int jobs;
    bool verbose;
} arguments;

static const struct argp_option options[] = {
    { "seed", 's', "S", 0, "Seed of the first schedule; the next have the numbers behind it (1)", 0 },
    { "schedules", 'n', "N", 0, "How many schedules (1000)", 0 },
    { "jobs", 'j', "J", 0, "Processes side by side (1)", 0 },
    { "verbose", 'v', NULL, 0, "Print every event", 0 },
    { 0 },
};

static uint64_t number(struct argp_state *state, const char *option, const char *arg, uint64_t least, uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(arg, &end, 10);
    if (errno || end == arg || *end || *arg == '-' || n < least || n > most)
        argp_error(state, "%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64, option, arg, least, most);
    return n;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    arguments *a = state->input;
    switch (key) {
    case 's': a->seed = number(state, "--seed", arg, 0, UINT64_MAX / 2); return 0;
    case 'n': a->n_schedules = number(state, "--schedules", arg, 1, UINT64_MAX / 2); return 0;
    case 'j': a->jobs = (int)number(state, "--jobs", arg, 1, MAX_JOBS); return 0;
    case 'v': a->verbose = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is one argument too many", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

typedef struct totals {
    uint64_t n_failed, n_events, n_starts, n_cuts, n_messages, n_committed, n_copied, n_paused, n_retries, n_put_out,
        n_ends_met;
} totals;

static void add(totals *t, const df_sim_report *r) {
    t->n_events += r->n_events;
    t->n_starts += r->n_starts;
    t->n_cuts += r->n_cuts;
    t->n_messages += r->n_messages;
    t->n_committed += r->n_committed;
    t->n_copied += r->n_copied;
    t->n_paused += r->n_paused;
    t->n_retries += r->n_retries;
    t->n_put_out += r->n_put_out;
    t->n_ends_met += r->n_ends_met;
    t->n_failed += r->why[0] != '\0';
}

/* Every jobs-th schedule from the first on. */
static totals run_part(const arguments *a, int first) {
    totals t = { 0 };
    for (uint64_t i = (uint64_t)first; i < a->n_schedules; i += (uint64_t)a->jobs) {
        df_sim_report r;
        df_sim_world_run(&r, a->seed + i, a->verbose ? stdout : NULL);
        add(&t, &r);
        if (r.why[0] && t.n_failed <= MAX_TOLD)
            printf("seed %" PRIu64 " fails %s\n  again: diffarm simulate farm --seed %" PRIu64 " --schedules 1 -v\n",
                   a->seed + i, r.why, a->seed + i);
        if (a->verbose) printf("seed %" PRIu64 " trace %016" PRIx64 "\n", a->seed + i, r.trace_hash);
        fflush(stdout);
    }
    return t;
}

static pid_t start_part(const arguments *a, int first, int *from) {
    int ends[2];
    if (pipe(ends)) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        totals t = run_part(a, first);
        _exit(write(ends[1], &t, sizeof t) == sizeof t ? 0 : 1);
    }
    close(ends[1]);
    *from = ends[0];
    return pid;
}

/* false: a process ended without its totals. */
static bool finish_part(pid_t pid, int from, totals *all) {
    totals t;
    int status = 0;
    bool whole = pid > 0 && read(from, &t, sizeof t) == sizeof t;
    close(from);
    if (pid > 0) waitpid(pid, &status, 0);
    if (!whole || status) return false;
    all->n_failed += t.n_failed, all->n_events += t.n_events, all->n_starts += t.n_starts, all->n_cuts += t.n_cuts;
    all->n_messages += t.n_messages, all->n_committed += t.n_committed, all->n_copied += t.n_copied;
    all->n_paused += t.n_paused, all->n_retries += t.n_retries, all->n_put_out += t.n_put_out;
    all->n_ends_met += t.n_ends_met;
    return true;
}

static bool run_all(const arguments *a, totals *all) {
    pid_t pids[MAX_JOBS];
    int from[MAX_JOBS];
    bool whole = true;
    for (int i = 0; i < a->jobs; i++) pids[i] = start_part(a, i, &from[i]);
    for (int i = 0; i < a->jobs; i++) whole &= finish_part(pids[i], from[i], all);
    return whole;
}

static const char doc[] =
    "Runs the real coordinator on a simulated disk, clock and network, where everything fails, and "
    "checks after each event that nothing is lost."
    "\vExit code 1: a schedule failed; its seed is printed, and gives the same events again.";

int df_simulate_farm(int argc, char **argv) {
    const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
    arguments a = { .seed = 1, .n_schedules = 1000, .jobs = 1 };
    totals all = { 0 };
    argp_err_exit_status = DF_EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a)) return DF_EXIT_USAGE;
    int64_t from_ms = df_clock_ms();
    bool whole = run_all(&a, &all);
    printf("%" PRIu64 " schedules from seed %" PRIu64 ": %" PRIu64 " failed; %" PRIu64 " events, %" PRIu64
           " messages, %" PRIu64 " starts, %" PRIu64 " power cuts, %" PRIu64 " pictures committed, %" PRIu64
           " rows copied, %" PRIu64 " pauses, %" PRIu64 " retries, %" PRIu64 " workers put out, %" PRIu64
           " leases before an end, in %.1f s\n",
           a.n_schedules, a.seed, all.n_failed, all.n_events, all.n_messages, all.n_starts, all.n_cuts, all.n_committed,
           all.n_copied, all.n_paused, all.n_retries, all.n_put_out, all.n_ends_met,
           (double)(df_clock_ms() - from_ms) / 1000);
    if (!whole) fprintf(stderr, "%s: a process of the simulator died\n", argv[0]);
    return whole && !all.n_failed ? DF_EXIT_OK : FAILED;
}

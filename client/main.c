/* diffarm: one program, many commands. This file only finds the command; each parses its own options. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/suggest.h"
#include "worker/start_env.h"
#include "worker/version.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *group, *what;
} command;

static const command commands[] = {
    { "render", df_cmd_render, "On this machine", "render a manifest, or prompts, with a farm of its own until done" },
    { "inspect", df_cmd_inspect, "On this machine", "what is in a model; the plan for P ranks" },
    { "eval", df_cmd_eval, "On this machine", "run one component of a model on given tensors" },
    { "bench", df_cmd_bench, "On this machine", "time a component of a model; how a farm scales" },
    { "calibrate", df_cmd_calibrate, "On this machine", "find the int8 scales of a model, for --dtype int8" },
    { "forward", df_cmd_forward, "On this machine", "show forward diffusion: a picture on its way to noise" },
    { "replay", df_cmd_replay, "On this machine", "render a picture again from its PNG, and compare" },
    { "verify", df_cmd_verify, "On this machine", "check a finished OUT against its lists" },
    { "coordinator", df_cmd_coordinator, "A farm", "run the coordinator of a farm" },
    { "worker", df_cmd_worker, "A farm", "run a worker: one rank, or a pipeline of several" },
    { "keygen", df_cmd_keygen, "A farm", "make the keys that a farm's peers know each other by" },
    { "submit", df_cmd_submit, "A farm", "send a job to a coordinator" },
    { "slurm", df_cmd_slurm, "A farm", "a farm as batch jobs of a Slurm cluster" },
    { "status", df_cmd_status, "Jobs", "how a job stands" },
    { "watch", df_cmd_watch, "Jobs", "a job's progress until it ends" },
    { "cancel", df_cmd_cancel, "Jobs", "cancel a job" },
    { "pause", df_cmd_pause, "Jobs", "begin nothing new of a job" },
    { "resume", df_cmd_resume, "Jobs", "go on with a paused job" },
    { "retry", df_cmd_retry, "Jobs", "try a job's failed pictures again" },
    { "jobs", df_cmd_jobs, "Jobs", "list the jobs" },
    { "workers", df_cmd_workers, "Jobs", "list the workers" },
    { "readmit", df_cmd_readmit, "Jobs", "give work again to a worker that was put out" },
    { "failures", df_cmd_failures, "Jobs", "every failed picture of a job, with its error" },
    { "explain", df_cmd_explain, "Jobs", "why a job waits; how a picture came to be" },
    { "doctor", df_cmd_doctor, "To trust it", "what works on this host, what does not, and what to do" },
    { "simulate", df_cmd_simulate, "To trust it",
      "run the farm's own code in worlds where everything fails; predict a pipeline" },
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *to) {
    const char *group = "";
    fprintf(to, "Usage: diffarm COMMAND [OPTIONS]\n\nA distributed render farm for latent diffusion models.\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(group, commands[i].group)) fprintf(to, "\n%s\n", group = commands[i].group);
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].what);
    }
    fprintf(to, "\n`diffarm COMMAND --help` tells the options of a command.\n"
                "Exit codes: 0 all pictures done, 1 some failed, 2 usage or bad input (nothing started), 3 no farm.\n");
}

static int unknown(const char *name) {
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
    const char *near = df_suggest(name, names, N_COMMANDS);
    fprintf(stderr, "diffarm: error: unknown command '%s'%s%s%s\nTry `diffarm --help'.\n", name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return DF_EXIT_USAGE;
}

/* In this process, that is: it is then started with what libraries read from the environment. */
static bool computes(const char *name) {
    return !strcmp(name, "worker") || !strcmp(name, "bench");
}

static int run(const command *c, int argc, char **argv) {
    char title[64];
    snprintf(title, sizeof title, "diffarm %s", c->name);
    argv[0] = title;
    return c->run(argc, argv);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        usage(stderr);
        return DF_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?") || !strcmp(name, "help")) {
        usage(stdout);
        return DF_EXIT_OK;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        puts(DF_SOFTWARE);
        return DF_EXIT_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(name, commands[i].name)) {
            if (computes(name)) df_start_again(argv);
            return run(&commands[i], argc - 1, argv + 1);
        }
    return unknown(name);
}

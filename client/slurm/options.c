#include "client/slurm/options.h"

#include <string.h>

#include "client/options.h"
#include "worker/launch.h"

enum {
    OPT_NODES = 0x6000,
    OPT_PIPELINE,
    OPT_TIME,
    OPT_FARM,
    OPT_SITE,
    OPT_ELASTIC,
    OPT_TRACES,
    OPT_WAIT,
    OPT_DRY_RUN,
    OPT_LAUNCHER,
    OPT_RANKS_PER_NODE
};

/* sbatch knows minutes, minutes:seconds, hours:minutes:seconds and days-hours[:minutes[:seconds]]; it says what it does
 * not like, but only digits and separators may come into a script. */
static const char *time_of(struct argp_state *state, const char *arg) {
    if (*arg < '0' || *arg > '9' || arg[strspn(arg, "0123456789:-")] || strlen(arg) > 32)
        argp_error(state, "--time must be like 30 (minutes), 2:00:00 or 1-12:00:00, not '%s'", arg);
    return arg;
}

static void check_whole(struct argp_state *state, const df_slurm_options *o) {
    if (!o->manifest) argp_error(state, "give a MANIFEST");
    if (!o->model) argp_error(state, "give a model (-m MODEL)");
    if (!o->out) argp_error(state, "give a folder for the pictures (-o OUT)");
    if (!o->nodes) argp_error(state, "say on how many nodes (--nodes N)");
    if (!o->time) argp_error(state, "say for how long (--time T)");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_slurm_options *o = state->input;
    switch (key) {
    case 'm': o->model = arg; return 0;
    case 'o': o->out = arg; return 0;
    case OPT_NODES: o->nodes = (int)df_option_int(state, "nodes", arg, 1, 100000); return 0;
    case OPT_PIPELINE: o->pipeline = (int)df_option_int(state, "pipeline", arg, 1, 64); return 0;
    case OPT_TIME: o->time = time_of(state, arg); return 0;
    case OPT_RANKS_PER_NODE: o->ranks_per_node = (int)df_option_int(state, "ranks-per-node", arg, 1, 64); return 0;
    case OPT_LAUNCHER:
        if (df_launcher_of(arg) < 0) argp_error(state, "--launcher must be auto, mpirun or srun, not '%s'", arg);
        o->launcher = arg;
        return 0;
    case OPT_FARM: o->farm = arg; return 0;
    case OPT_SITE: o->site = arg; return 0;
    case OPT_ELASTIC: o->elastic = true; return 0;
    case OPT_TRACES: o->traces = arg; return 0;
    case OPT_WAIT: o->wait = true; return 0;
    case OPT_DRY_RUN: o->dry_run = true; return 0;
    case ARGP_KEY_ARG:
        if (o->manifest) argp_error(state, "'%s' is one argument too many; options of render come after --", arg);
        o->manifest = arg;
        return 0;
    case ARGP_KEY_END: check_whole(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "model", 'm', "MODEL", 0, "Model, on a file system that the nodes see", 0 },
    { "out", 'o', "OUT", 0, "Folder for pictures and metadata, on such a file system too", 0 },
    { "nodes", OPT_NODES, "N", 0, "Nodes of all workers: one worker on each, if it fits there", 0 },
    { "pipeline", OPT_PIPELINE, "P", 0, "Ranks that share the model in each worker (1)", 0 },
    { "ranks-per-node", OPT_RANKS_PER_NODE, "R", 0,
      "Ranks that a node holds: a pipeline of more lies on several, and P must be a multiple of R (RANKS_PER_NODE in "
      "site.conf; any)",
      0 },
    { "launcher", OPT_LAUNCHER, "NAME", 0,
      "What starts the ranks of a pipeline: mpirun, srun or auto (LAUNCHER in site.conf; auto)", 0 },
    { "time", OPT_TIME, "T", 0, "Walltime of a turn, as sbatch takes it; what is not done by then goes on in another",
      0 },
    { "farm", OPT_FARM, "DIR", 0, "Folder for scripts, keys, state and logs (OUT.farm)", 0 },
    { "site", OPT_SITE, "FILE", 0, "Your cluster's values: a copy of slurm/site.conf (as it is)", 0 },
    { "elastic", OPT_ELASTIC, NULL, 0,
      "Coordinator, client and an array of workers as jobs of their own: workers come and go (one job for all)", 0 },
    { "traces", OPT_TRACES, "DIR", 0,
      "What every rank did when: a Chrome trace of each worker, JOB-TASK.json, in this folder (none)", 0 },
    { "wait", OPT_WAIT, NULL, 0, "Stay until the data set is whole", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0, "Check everything, print what would be submitted and run, start nothing", 0 },
    { 0 },
};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "MANIFEST [-- RENDER OPTIONS]",
    .doc =
        "Renders a manifest under Slurm. The whole manifest is checked first; then a folder with the farm's scripts is "
        "written and handed to sbatch, and the ids of the jobs are printed. Called again with the same options it goes "
        "on with what is left.\vExit codes with --wait: 0 all pictures done, 1 some failed, 3 the farm ended before "
        "that.",
};

void df_slurm_options_parse(df_slurm_options *o, int argc, char **argv) {
    int own = 1;
    while (own < argc && strcmp(argv[own], "--")) own++;
    *o = (df_slurm_options) { .pipeline = 1 };
    if (own < argc) {
        o->render = argv + own + 1;
        o->n_render = argc - own - 1;
    }
    df_options_parse(&argp, own, argv, o);
}

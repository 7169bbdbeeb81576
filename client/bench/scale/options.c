#include "client/bench/scale/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "client/bench/scale/record.h"

enum {
    OPT_WORKERS = 0x7c00,
    OPT_PIPELINE,
    OPT_STRONG,
    OPT_WEAK,
    OPT_PICTURES,
    OPT_REPEATS,
    OPT_THREADS,
    OPT_EXTRAPOLATE,
    OPT_MACHINE,
    OPT_SLURM,
    OPT_TIME,
    OPT_SITE,
    OPT_DRY_RUN
};

enum { PICTURES_PER_RANK = 16, LOCAL_MOST_WORKERS = 256 };

static const struct argp_option option_table[] = {
    { "model", 'm', "MODEL", 0, "Model, as `render` takes it", 1 },
    { "out", 'o', "OUT", 0, "Folder for scale.json and the plots; points that it has are not run again", 1 },
    { "workers", OPT_WORKERS, "N,N,...", 0, "Numbers of workers (1,2,4)", 1 },
    { "pipeline", OPT_PIPELINE, "P,P,...", 0, "Ranks of each worker; every number of workers is run with each (1)", 1 },
    { "strong", OPT_STRONG, NULL, 0, "As many pictures at every point (the default)", 1 },
    { "weak", OPT_WEAK, NULL, 0, "As many pictures for every rank", 1 },
    { "pictures", OPT_PICTURES, "N", 0,
      "Pictures of a run; with --weak of each rank (16; with --strong 16 for each rank of the largest point)", 1 },
    { "repeats", OPT_REPEATS, "N", 0, "Runs of each point, in turns; medians are told (3)", 1 },
    { "threads", OPT_THREADS, "T", 0, "Threads of each rank, the same at every point (its share of the cores)", 1 },
    { "extrapolate", OPT_EXTRAPOLATE, "N", 0, "Workers up to which the model is drawn (eight times the most)", 1 },
    { "machine", OPT_MACHINE, "TEXT", 0, "What you call this machine; stands in scale.json", 1 },
    { "slurm", OPT_SLURM, NULL, 0, "Each run as batch jobs (`diffarm slurm submit`), a worker a node", 2 },
    { "time", OPT_TIME, "T", 0, "With --slurm: walltime of a run, as sbatch takes it", 2 },
    { "site", OPT_SITE, "FILE", 0, "With --slurm: your cluster's values, a copy of slurm/site.conf (as it is)", 2 },
    { "dry-run", OPT_DRY_RUN, NULL, 0, "Check everything, print the runs, start and write nothing", 3 },
    { 0 },
};

static void insert(df_scale_list *list, int n) {
    int at = 0;
    while (at < list->n && list->at[at] < n) at++;
    if (at < list->n && list->at[at] == n) return;
    memmove(list->at + at + 1, list->at + at, (size_t)(list->n - at) * sizeof *list->at);
    list->at[at] = n;
    list->n++;
}

static df_scale_list list_of(struct argp_state *state, const char *option, const char *arg, int most) {
    df_scale_list list = { .n = 0 };
    for (const char *at = arg;; at++) {
        char *end;
        long n = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : 0;
        if (n < 1 || n > most || (*end && *end != ','))
            argp_error(state, "--%s must be whole numbers from 1 to %d with commas between, not '%s'", option, most,
                       arg);
        if (list.n == DF_SCALE_MOST_VALUES) argp_error(state, "--%s: more than %d numbers", option, list.n);
        insert(&list, (int)n);
        if (!*end) return list;
        at = end;
    }
}

static void set_scaling(struct argp_state *state, df_scale_options *o, bool weak, bool *told) {
    if (*told && o->weak != weak) argp_error(state, "--strong or --weak, not both");
    o->weak = weak;
    *told = true;
}

static void check(struct argp_state *state, const df_scale_options *o) {
    int most = o->workers.at[o->workers.n - 1];
    if (!o->model) argp_error(state, "give a model (-m MODEL)");
    if (!o->out) argp_error(state, "give a folder for the results (-o OUT)");
    if (o->slurm && !o->time) argp_error(state, "--slurm: say for how long a run may last (--time T)");
    if (o->slurm && o->threads) argp_error(state, "--threads is not for --slurm: the site's values say CPUS_PER_RANK");
    if (!o->slurm && (o->time || o->site)) argp_error(state, "--time and --site are for --slurm");
    if (!o->slurm && most > LOCAL_MOST_WORKERS)
        argp_error(state, "--workers %d: up to %d are possible on one machine; --slurm takes more", most,
                   LOCAL_MOST_WORKERS);
    if (o->extrapolate && o->extrapolate < most)
        argp_error(state, "--extrapolate %d is below %d workers", o->extrapolate, most);
}

/* Options, and whether --strong or --weak was given. */
typedef struct parsing {
    df_scale_options *o;
    bool scaling_told;
} parsing;

static error_t parse(int key, char *arg, struct argp_state *state) {
    parsing *p = state->input;
    df_scale_options *o = p->o;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': o->model = arg; return 0;
    case 'o': o->out = arg; return 0;
    case OPT_WORKERS: o->workers = list_of(state, "workers", arg, DF_SCALE_MOST_WORKERS); return 0;
    case OPT_PIPELINE: o->depths = list_of(state, "pipeline", arg, DF_SCALE_MOST_DEPTH); return 0;
    case OPT_STRONG:
    case OPT_WEAK: set_scaling(state, o, key == OPT_WEAK, &p->scaling_told); return 0;
    case OPT_PICTURES: o->pictures = df_option_int(state, "pictures", arg, 1, 100000000); return 0;
    case OPT_REPEATS: o->repeats = (int)df_option_int(state, "repeats", arg, 1, DF_SCALE_MOST_RUNS); return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_EXTRAPOLATE:
        o->extrapolate = (int)df_option_int(state, "extrapolate", arg, 1, DF_SCALE_MOST_WORKERS);
        return 0;
    case OPT_MACHINE:
        if (strlen(arg) > 120) argp_error(state, "--machine: up to 120 bytes");
        o->machine = arg;
        return 0;
    case OPT_SLURM: o->slurm = true; return 0;
    case OPT_TIME: o->time = arg; return 0;
    case OPT_SITE: o->site = arg; return 0;
    case OPT_DRY_RUN: o->dry_run = true; return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many; options of render come after --", arg);
        return 0;
    case ARGP_KEY_END: check(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Measures how a farm scales: renders the same kind of pictures with each number of workers and each depth of "
    "pipeline, by a real farm, and tells throughput, efficiency, what a picture costs beyond the smallest point, and "
    "what the ranks did with their time. Writes OUT/scale.json, throughput.svg, efficiency.svg, overhead.svg and "
    "shares.svg."
    "\vExample:\n  diffarm bench scale -m models/starter -o scaling --workers 1,2,4 --pipeline 1,2 -- --steps 10\n\n"
    "A law of scaling (Amdahl; Gunther's USL) is fitted to the points, the largest held back to tell the law's error; "
    "deeper pipelines are foretold by the simulator. What lies beyond the points is extrapolated, and marked so. "
    "Interrupted, the same command goes on with the runs that are missing; with more --workers or --repeats it adds "
    "to what there is. docs/scaling.md tells more.\n\n"
    "Exit codes: 0 all points measured, 1 some failed or it was interrupted, 2 usage.";

static const struct argp_child children[] = { { &df_output_argp, 0, "", 4 }, { 0 } };
static const struct argp argp = {
    .options = option_table, .parser = parse, .args_doc = "[-- RENDER OPTIONS]", .doc = doc, .children = children
};

static int most_ranks(const df_scale_options *o) {
    return o->workers.at[o->workers.n - 1] * o->depths.at[o->depths.n - 1];
}

void df_scale_options_fill_in(df_scale_options *o, int64_t pictures, int threads) {
    int most = o->workers.at[o->workers.n - 1];
    if (!o->pictures) o->pictures = pictures > 0 ? pictures : PICTURES_PER_RANK * (o->weak ? 1 : most_ranks(o));
    if (!o->threads && !o->slurm) o->threads = threads > 0 ? threads : df_cores_each(most_ranks(o));
    if (!o->extrapolate) o->extrapolate = 8 * most > DF_SCALE_MOST_WORKERS ? DF_SCALE_MOST_WORKERS : 8 * most;
}

void df_scale_options_parse(df_scale_options *o, int argc, char **argv) {
    int own = 1;
    parsing p = { .o = o };
    while (own < argc && strcmp(argv[own], "--")) own++;
    *o = (df_scale_options) { .workers = { { 1, 2, 4 }, 3 }, .depths = { { 1 }, 1 }, .repeats = 3, .machine = "" };
    if (own < argc) {
        o->render = argv + own + 1;
        o->n_render = argc - own - 1;
    }
    df_options_parse(&argp, own, argv, &p);
}

int64_t df_scale_pictures(const df_scale_options *o, int workers, int depth) {
    return o->weak ? o->pictures * workers * depth : o->pictures;
}

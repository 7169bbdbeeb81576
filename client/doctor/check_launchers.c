/* How a pipeline of several ranks can be started here: each way is tried with two ranks. */
#include <stdio.h>
#include <string.h>

#include "client/doctor/checkup.h"
#include "worker/launch_choice.h"
#include "worker/trial.h"

static const char *const probe[] = { "doctor", "--probe=ranks", NULL };

static bool try_launcher(const df_checkup *c, const char *name, const df_launch_cfg *cfg) {
    char how[320];
    bool works = df_launch_works(cfg, probe, c->limit_seconds, how, sizeof how);
    df_found(c->found, works ? DF_FOUND_OK : DF_FOUND_NOTE, name, NULL, "%s: %s", works ? "works" : "does not work",
             how);
    return works;
}

static bool try_mpirun(const df_checkup *c, const df_allocation *in) {
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = 2, .here = !*in->job || in->in_step, .in = *in };
    return try_launcher(c, "mpirun", &cfg);
}

static bool try_srun(const df_checkup *c, const df_allocation *in, const char *kind) {
    char name[32];
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_SRUN, .mpi = kind, .n_ranks = 2, .in = *in };
    snprintf(name, sizeof name, "srun --mpi=%s", kind);
    return try_launcher(c, name, &cfg);
}

/* False: there is none that could be tried. */
static bool find_mpirun(const df_checkup *c) {
    static const char *const argv[] = { "mpirun", "--version", NULL };
    df_trial p;
    char line[200];
    df_trial_run(&p, argv, NULL, true, c->limit_seconds);
    if (!df_trial_succeeded(&p)) {
        df_found(c->found, DF_FOUND_NOTE, "mpi", "install Open MPI or load its module; workers of one rank need none",
                 "no mpirun: %s", df_trial_why(&p, line, sizeof line));
        return false;
    }
    df_trial_line(&p, line, sizeof line);
    if (!strstr(p.text, "Open MPI")) {
        df_found(c->found, DF_FOUND_PROBLEM, "mpi", "load the module of Open MPI instead",
                 "mpirun is not Open MPI's, with which this program is built: %s", line);
        return false;
    }
    df_found(c->found, DF_FOUND_OK, "mpi", NULL, "%s", line);
    return true;
}

/* The first kind that works; NULL: none. */
static const char *try_kinds(const df_checkup *c, const df_allocation *in) {
    static const char *const list[] = { "srun", "--mpi=list", NULL };
    const char *first = NULL, *kind;
    df_trial t;
    df_trial_run(&t, list, NULL, true, c->limit_seconds);
    for (int i = 0; t.started && (kind = df_launch_mpi_kind(t.text, i)); i++)
        if (try_srun(c, in, kind) && !first) first = kind;
    return first;
}

/* What df_launch_choose makes of it. */
static void tell_choice(const df_checkup *c, bool mpirun, const char *kind) {
    if (mpirun && kind)
        df_found(
            c->found, DF_FOUND_OK, "pipelines", NULL,
            "--launcher auto takes mpirun for ranks on one node, srun --mpi=%s for ranks on several, where they hear "
            "Slurm's signals",
            kind);
    else if (kind)
        df_found(c->found, DF_FOUND_OK, "pipelines", NULL, "ranks are started by srun --mpi=%s", kind);
    else
        df_found(c->found, DF_FOUND_OK, "pipelines", NULL, "ranks are started by mpirun");
}

void df_check_launchers(const df_checkup *c) {
    const df_allocation in = df_allocation_here();
    bool tried = find_mpirun(c), mpirun = tried && try_mpirun(c, &in);
    const char *kind = *in.job ? try_kinds(c, &in) : NULL;
    if (mpirun || kind)
        tell_choice(c, mpirun, kind);
    else if (tried || *in.job)
        df_found(c->found, DF_FOUND_PROBLEM, "pipelines",
                 "ask for an Open MPI that is built with this Slurm's PMIx; workers of one rank need none",
                 "nothing here starts several ranks: --pipeline 2 and more will not work");
}

/* How a pipeline of several ranks can be started here: each way is tried with two ranks. */
#include <stdlib.h>
#include <string.h>

#include "client/doctor/checkup.h"
#include "client/doctor/probe.h"
#include "worker/mpirun.h"

static bool in_allocation(void) {
    return getenv("SLURM_JOB_ID") != NULL;
}

/* Two ranks found each other; a launcher and an MPI that do not know each other start two times one rank. */
static bool tell_ranks(const df_checkup *c, const char *name, const df_probe *p) {
    char why[320];
    const char *told = strstr(p->text, "ranks ");
    bool works = df_probe_succeeded(p) && told && !strncmp(told, "ranks 2", 7);
    if (works)
        df_found(c->found, DF_FOUND_OK, name, NULL, "works: %.*s", (int)strcspn(told, "\n"), told);
    else if (df_probe_succeeded(p))
        df_found(c->found, DF_FOUND_NOTE, name, NULL, "does not work: each rank is alone (MPI was built without it)");
    else
        df_found(c->found, DF_FOUND_NOTE, name, NULL, "does not work: %s", df_probe_why(p, why, sizeof why));
    return works;
}

static bool try_mpirun(const df_checkup *c) {
    df_probe p;
    df_mpirun m;
    df_err err;
    df_code rc = df_mpirun_begin(&m, 2, NULL, &err);
    if (!rc) rc = df_mpirun_add(&m, "doctor", &err);
    if (!rc) rc = df_mpirun_add(&m, "--probe=ranks", &err);
    if (rc) {
        df_found(c->found, DF_FOUND_PROBLEM, "mpirun", NULL, "%s", err.text);
        return false;
    }
    df_probe_run(&p, m.argv, df_mpirun_env, !in_allocation(), c->limit_seconds);
    return tell_ranks(c, "mpirun", &p);
}

/* False: there is none that could be tried. */
static bool find_mpirun(const df_checkup *c) {
    static const char *const argv[] = { "mpirun", "--version", NULL };
    df_probe p;
    char line[200];
    df_probe_run(&p, argv, df_mpirun_env, true, c->limit_seconds);
    if (!df_probe_succeeded(&p)) {
        df_found(c->found, DF_FOUND_NOTE, "mpi", "install Open MPI or load its module; workers of one rank need none",
                 "no mpirun: %s", df_probe_why(&p, line, sizeof line));
        return false;
    }
    df_probe_line(&p, line, sizeof line);
    if (!strstr(p.text, "Open MPI")) {
        df_found(c->found, DF_FOUND_PROBLEM, "mpi", "load the module of Open MPI instead",
                 "mpirun is not Open MPI's, with which this program is built: %s", line);
        return false;
    }
    df_found(c->found, DF_FOUND_OK, "mpi", NULL, "%s", line);
    return true;
}

static bool try_srun(const df_checkup *c, const char *kind) {
    df_probe p;
    char option[16], name[32];
    snprintf(option, sizeof option, "--mpi=%s", kind);
    snprintf(name, sizeof name, "srun %s", option);
    const char *argv[] = {
        "srun",   option,          "--ntasks=2", "--overcommit", "--overlap", "--kill-on-bad-exit=1", c->self,
        "doctor", "--probe=ranks", NULL
    };
    df_probe_run(&p, argv, df_mpirun_env, false, c->limit_seconds);
    return tell_ranks(c, name, &p);
}

void df_check_launchers(const df_checkup *c) {
    const char *works = NULL;
    bool tried = find_mpirun(c);
    if (tried && try_mpirun(c)) works = "mpirun";
    if (in_allocation()) {
        tried = true;
        if (try_srun(c, "pmi2") && !works) works = "srun --mpi=pmi2";
        if (try_srun(c, "pmix") && !works) works = "srun --mpi=pmix";
    }
    if (works)
        df_found(c->found, DF_FOUND_OK, "pipelines", NULL, "ranks can be started by %s", works);
    else if (tried)
        df_found(c->found, DF_FOUND_PROBLEM, "pipelines",
                 "ask for an Open MPI that is built with this Slurm's PMIx; workers of one rank need none",
                 "nothing here starts several ranks: --pipeline 2 and more will not work");
}

/* The command line that starts ranks of this very program: by mpirun, or inside an allocation of Slurm by srun.
 *
 *   df_launch_begin(&l, &cfg, &err);  df_launch_add(&l, "worker", &err); ...
 *   exec, or df_child_start: l.argv, with l.env in the environment, and clean_launch if l.clean
 *
 * Both in the same way: the ranks write to the launcher's output; SIGUSR1 and SIGUSR2 reach them through it; SIGHUP
 * ends it and them; a rank that dies takes the others along. Ranks are not bound to cores, but for srun with a number
 * of threads outside of any step: each takes its own part of those it may run on (comm.h). Those that wait give their
 * core to others. Launchers are quiet: the ranks' last line is what matters, not a page about it.
 *
 * SIGTERM is not for launchers: srun kills its ranks at once when it gets one, mpirun a second later. Batch systems
 * that track processes by cgroups send it to the processes they have started themselves alone. */
#ifndef DF_WORKER_LAUNCH_H
#define DF_WORKER_LAUNCH_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "worker/allocation.h"

typedef enum df_launcher { DF_LAUNCHER_AUTO, DF_LAUNCHER_MPIRUN, DF_LAUNCHER_SRUN } df_launcher;

enum { DF_LAUNCH_MAX_ARGS = 256, DF_LAUNCH_PLACES_BYTES = 8192 };

typedef struct df_launch_cfg {
    df_launcher by; /* auto is for df_launch_choose (launch_choice.h) */
    const char *mpi; /* of srun: "pmix", "pmi2" or what else the site has; NULL: pmix */
    int n_ranks;
    const char *hosts; /* "a:2,b:2": so many ranks on each, in that order; NULL: where the launcher puts them */
    bool here; /* all ranks on this machine, whatever the allocation; not with hosts */
    int silence_seconds; /* mpirun between hosts: one is given up after twice as long; 0: mpirun's own */
    int threads; /* of each rank, for srun to set cores aside; 0: it shares those of all steps of the allocation */
    df_allocation in; /* where this process runs */
    const char *const *options; /* more of them for the launcher; NULL at the end; may be NULL */
} df_launch_cfg;

/* Does not move once begun: argv points into it. */
typedef struct df_launch {
    const char *argv[DF_LAUNCH_MAX_ARGS]; /* NULL at the end */
    int n;
    const char *const *env; /* "NAME=VALUE", NULL at the end */
    bool clean; /* must not see what MPI and Slurm have told us of ourselves */
    bool cleans_up; /* killed, it sees to the end of its ranks: it should be killed alone, not with its own children */
    char self[PATH_MAX], ranks[16], job[48], mpi[32], threads[32], nodes[16], keepalive[3][16];
    char places[DF_LAUNCH_PLACES_BYTES];
} df_launch;

/* Everything up to this program's path. DF_EUNSUPPORTED: srun outside of an allocation. DF_EINVAL: hosts that do not
 * have as many places as there are ranks. DF_ELIMIT: too many arguments. */
df_code df_launch_begin(df_launch *l, const df_launch_cfg *cfg, df_err *err);
/* For the program; borrowed. */
df_code df_launch_add(df_launch *l, const char *arg, df_err *err);

const char *df_launcher_name(df_launcher by); /* "auto", "mpirun", "srun" */
int df_launcher_of(const char *name); /* -1: none of these */

/* The ways, for df_launch_begin alone. */
df_code df_launch_mpirun(df_launch *l, const df_launch_cfg *cfg, df_err *err);
df_code df_launch_srun(df_launch *l, const df_launch_cfg *cfg, df_err *err);

#endif

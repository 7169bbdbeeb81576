/* The command line that starts ranks of this very program, on this machine or on several hosts.
 *
 *   df_mpirun_begin(&m, n_ranks, NULL, &err);  df_mpirun_add(&m, "worker", &err); ...
 *   exec, or df_child_start: m.argv, with df_mpirun_env in the environment
 *
 * Ranks are not bound to cores: each takes its own part of those it may run on (comm.h). Those that wait give their
 * core to others. mpirun itself is quiet: the ranks' last line is what matters, not its page about it. */
#ifndef DF_WORKER_MPIRUN_H
#define DF_WORKER_MPIRUN_H

#include <limits.h>

#include "base/err.h"

enum { DF_MPIRUN_MAX_ARGS = 256 };

/* Does not move once begun: argv points into it. */
typedef struct df_mpirun {
    const char *argv[DF_MPIRUN_MAX_ARGS]; /* NULL at the end */
    int n;
    char self[PATH_MAX], ranks[16], keepalive[3][16];
} df_mpirun;

typedef struct df_mpirun_hosts {
    const char *list; /* "a:2,b:2", as mpirun takes it; borrowed */
    int silence_seconds; /* a host is asked whether it is there after so long, and given up after twice as long */
} df_mpirun_hosts;

/* hosts: NULL, all ranks are here. */
df_code df_mpirun_begin(df_mpirun *m, int n_ranks, const df_mpirun_hosts *hosts, df_err *err);
/* For the program; borrowed. DF_ELIMIT: too many. */
df_code df_mpirun_add(df_mpirun *m, const char *arg, df_err *err);

/* "NAME=VALUE", NULL at the end: a container's root may start ranks. */
extern const char *const df_mpirun_env[];

#endif

/* The supervisor of a worker with several ranks: one mpirun or srun of this program, started again whenever it fails. A
 * dead rank ends its launcher (Open MPI 4 survives no rank), and rank 0 ends it when another hangs, so this is how the
 * replica comes back. Of rank 0 the supervisor wants a pulse (pulse.h): without it the ranks are ended, with force if
 * need be.
 *
 * A wish to drain becomes SIGUSR1 for the ranks, an urgent one SIGUSR2, which the launcher hands on; a SIGTERM that
 * comes to every process of the worker, as batch systems send it, is such a wish too. A rank that gets a SIGTERM and
 * hears nothing of such a wish from its supervisor within some seconds is one that a dead rank has left behind, and
 * ends (srun would take Slurm's KillWait, half a minute, to see to it). When the supervisor dies, the launcher gets
 * SIGHUP, and the ranks SIGKILL from the kernel or Slurm. */
#ifndef DF_WORKER_SUPERVISOR_H
#define DF_WORKER_SUPERVISOR_H

#include <signal.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "worker/launch.h"

typedef struct df_supervisor_cfg {
    df_launch_cfg launch; /* not auto */
    const char *const *args; /* of the ranks, behind the program's path: "worker", "--connect", ...; NULL at the end */
    const volatile sig_atomic_t *drain; /* set by signals: 1 drain, 2 hand all back */
    int64_t silence_ms; /* rank 0 hangs when it was silent for so long */
    const df_log *log;
} df_supervisor_cfg;

/* Between hosts mpirun notices within twice silence_ms that a link is cut (rank 0 within once, if a micro-batch is on
 * its way), and ends what it can reach; the rest ends itself. Returns the exit code for our own end: that of the ranks
 * when they ended in order (0) or are refused (2, 3). */
int df_supervisor_run(const df_supervisor_cfg *cfg, df_err *err);

#endif

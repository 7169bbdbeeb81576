/* The checks of `diffarm doctor`. Each looks at one thing and adds what it finds; none hangs, none leaves anything
 * behind. What needs a program of the system or a driver is looked at in a child with a time limit (worker/trial.h). */
#ifndef DF_CLIENT_DOCTOR_CHECKUP_H
#define DF_CLIENT_DOCTOR_CHECKUP_H

#include <stdbool.h>

#include "client/doctor/findings.h"

typedef struct df_checkup {
    const char *model, *config_dir; /* NULL: none is looked at */
    const char *state_dir; /* where a coordinator's state would lie */
    const char *bind; /* where it would listen */
    const char *endpoint, *keys_dir; /* of a coordinator that runs; NULL: none is asked */
    int timeout_ms; /* for its answer */
    int workers; /* that the coordinator should take */
    bool gpu; /* a GPU is wanted: without one it is a problem */
    int limit_seconds; /* of each program that is tried */
    const char *self; /* path of this program, for children that are ourselves */
    df_findings *found;
} df_checkup;

void df_check_cores(const df_checkup *c);
void df_check_limits(const df_checkup *c);
void df_check_state(const df_checkup *c);
void df_check_zmq(const df_checkup *c);
void df_check_bind(const df_checkup *c);
void df_check_coordinator(const df_checkup *c);
void df_check_slurm(const df_checkup *c);
void df_check_launchers(const df_checkup *c);
void df_check_gpu(const df_checkup *c);
void df_check_model(const df_checkup *c);

/* What children do: print and end. */
int df_probe_ranks(void); /* as one of the ranks of an MPI job: rank 0 says "ranks N" and how fast a hop is */
int df_probe_gpu(bool wanted); /* driver, devices, NCCL, as findings; a fault of theirs ends this process alone */

#endif

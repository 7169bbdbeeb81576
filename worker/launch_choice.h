/* Which launcher is to start the ranks, where that was left open, and why.
 *
 *   df_launch_choose(&cfg, &choice, probe, seconds, &err);     cfg is then for df_launch_begin
 *
 * Outside of an allocation, and for ranks that are all here, that is mpirun: it needs nothing of Slurm. For ranks on
 * several nodes of an allocation it is srun, if two ranks that it starts find each other: they are then processes of
 * Slurm's own, which hear its signals and are ended by it, while mpirun's daemons on other nodes end their ranks at the
 * first SIGTERM. Each kind of --mpi that the site has is tried. Where srun does not work, or there is no mpirun, the
 * other is taken. */
#ifndef DF_WORKER_LAUNCH_CHOICE_H
#define DF_WORKER_LAUNCH_CHOICE_H

#include <stddef.h>

#include "worker/launch.h"

typedef struct df_launch_choice {
    char mpi[32];
    char why[600];
} df_launch_choice;

/* Makes cfg->by a launcher, if it is auto, and names cfg->mpi for srun, if it is NULL (in *out, which must outlive
 * cfg). probe: arguments, NULL at the end, with which ranks of this program look for each other; rank 0 prints "ranks
 * N". seconds: for each program that is run. DF_EUNSUPPORTED, DF_EINVAL:
 * srun was asked for, and cannot be; the fix is in err. */
df_code df_launch_choose(df_launch_cfg *cfg, df_launch_choice *out, const char *const *probe, int seconds, df_err *err);

/* Do two ranks that it starts in this way find each other? how: what rank 0 printed behind "ranks 2", or why not. */
bool df_launch_works(const df_launch_cfg *cfg, const char *const *probe, int seconds, char *how, size_t how_bytes);

/* The n-th kind of `srun --mpi=KIND` that this program may be able to use and the site has ("pmix", "pmi2"); NULL: no
 * more. list: what `srun --mpi=list` prints. */
const char *df_launch_mpi_kind(const char *list, int n);

#endif

/* The cores this process may run on: those of its affinity mask (taskset, Slurm, mpirun), hardware threads of one core
 * counted once, because arithmetic that keeps a core's vector units busy gains nothing from its second thread.
 *
 * Where several processes on one machine have the same mask, each takes its part of it: a block of neighbours, so that
 * they stay on one socket and share caches. Order: socket, then core, as the kernel numbers them. */
#ifndef DF_BASE_CORES_H
#define DF_BASE_CORES_H

#include <sched.h>
#include <stdbool.h>

int df_cores_count(void); /* at least 1 */

/* Cores for each of n processes with this mask: at least 1. */
int df_cores_each(int n);

/* *part: the index-th of n nearly equal parts, with all hardware threads of each core. False where there are fewer
 * cores than parts, or the kernel tells nothing: then processes must share. */
bool df_cores_part(cpu_set_t *part, int index, int n);

/* Runs the calling thread, and threads it starts from now on, on that part alone; false as above. */
bool df_cores_keep_part(int index, int n);

/* "0-3,8", of the calling thread; returns out. */
char *df_cores_text(char *out, int out_bytes);

#endif

/* NCCL in memory of the host, between threads, on streams of gpu_double.h: communicators of two ranks.
 *
 * As slow as NCCL may be: a communicator needs to be asked some times until it is up, and again until a group is on its
 * stream. A message moves when both of its ends have come to be the next on their streams. Faults (gpu_double_fault):
 * use of a communicator that is not up, is busy with a group, or is gone; calls inside a group that have no place
 * there; a message to oneself; a send of another size than its receive; an end while messages are under way. */
#ifndef DF_TESTS_CLUSTER_NCCL_DOUBLE_H
#define DF_TESTS_CLUSTER_NCCL_DOUBLE_H

#include "cluster/nccl/api.h"

extern const df_nccl_api nccl_double;

void nccl_double_reset(void); /* before gpu_double_reset; nothing is broken */
int nccl_double_n_open(void); /* communicators that were neither destroyed nor aborted */
int nccl_double_n_moved(void); /* messages since the last reset */

/* From the n-th message from now on: no message moves, and every communicator reports `why`, or, with ncclInProgress,
 * says nothing: a cable that was pulled. */
void nccl_double_break(int after, ncclResult_t why);
void nccl_double_refuse_init(ncclResult_t why); /* at once; ncclInProgress: communicators never come up */

#endif

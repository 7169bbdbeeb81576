/* What every communicator for data on GPUs must do beside comm_exercise.h, on the runtime's double. */
#ifndef DF_TESTS_CLUSTER_DEVICE_EXERCISE_H
#define DF_TESTS_CLUSTER_DEVICE_EXERCISE_H

#include "cluster/comm.h"

enum { RUN_RANKS_MOST = 4 };

/* Buffers that are computed, sent around a ring, received and computed upon again and again, with nothing between but
 * the transport's own events: what may not overlap the double finds. The number of things that went wrong. */
int device_exercise(df_comm *c);

/* Each rank on a thread of its own, which closes its communicator; the number of things that went wrong. */
int run_ranks(df_comm **c, int size, int (*body)(df_comm *c));

#endif

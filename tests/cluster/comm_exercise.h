/* What every communicator must do, run by each rank of it. Returns the number of things that went wrong, each told on
 * stderr; rank r's view only. */
#ifndef DF_TESTS_CLUSTER_COMM_EXERCISE_H
#define DF_TESTS_CLUSTER_COMM_EXERCISE_H

#include "cluster/comm.h"

int comm_exercise(df_comm *c, int first_channel); /* on that and the three behind it */

#endif

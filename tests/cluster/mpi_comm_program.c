/* Run by mpirun with a number of ranks: the exercise, whole and with messages split into parts. Exit code 1 if
 * anything went wrong on this rank. */
#include <stdio.h>
#include <stdlib.h>

#include "cluster/channels.h"
#include "tests/cluster/comm_exercise.h"

int main(int argc, char **argv) {
    df_comm *c = NULL;
    df_err err;
    int rank = -1, size = -1, failed = 0, expected = argc > 1 ? atoi(argv[1]) : 1;
    if (!df_comm_mpi_launched(&rank, &size) || size != expected) {
        fprintf(stderr, "launched with %d ranks, seen %d\n", expected, size);
        return 1;
    }
    if (df_comm_mpi_open(&c, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (c->rank != rank || c->size != size) failed++, fprintf(stderr, "rank %d is %d for MPI\n", rank, c->rank);
    failed += comm_exercise(c, DF_CHANNEL_COMMAND);
    df_comm_mpi_set_chunk(c, 1000);
    failed += comm_exercise(c, DF_CHANNEL_DATA);
    c->ops->close(&c);
    if (df_comm_mpi_open(&c, &err) != DF_EINVAL) failed++, fprintf(stderr, "a second communicator was opened\n");
    return failed ? 1 : 0;
}

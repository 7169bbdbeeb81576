/* A communicator moves bytes between the ranks of one pipeline.
 *
 * Kinds behind one table: `self` (one rank), `threads` (ranks are threads of one process), `mpi` (host memory; large
 * messages chunked), and two for data on GPUs that are opened on one of these: `nccl` (comm_nccl.h), `staged`
 * (comm_staged.h). Everything above is written against this header alone; docs/pipelines.md, "Transports".
 *
 * Channels. A message goes over a channel, a small number that names what it is (channels.h); messages of one (source,
 * channel) arrive in the order sent, and the receiver always knows source, channel and size beforehand. (Nothing is
 * probed: that is what NCCL can do as well.) Sends and receives are posted and complete later; buffers are borrowed
 * until then. Data of an edge lies where the rank's stage keeps it, and nobody above looks at it. Failure: where a rank
 * is gone the MPI job ends (PLATFORM: Open MPI 4 does not survive it); a call may also return DF_EUNREACHABLE. Threads:
 * one rank's handle belongs to one thread. */
#ifndef DF_CLUSTER_COMM_H
#define DF_CLUSTER_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_comm df_comm; /* one rank's handle */
typedef struct df_comm_request df_comm_request; /* a posted send or receive */

typedef struct df_comm_ops {
    const char *name;
    df_code (*send)(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                    df_err *err);
    df_code (*recv)(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req, df_err *err);
    /* *done is set once the buffer may be reused (send) or holds the message (recv); the request is then freed and
     * *req nulled. Drives progress. */
    df_code (*test)(df_comm *c, df_comm_request **req, bool *done, df_err *err);
    /* Posts between the two go to the transport together, which then orders them itself: for one where a post may wait
     * for its counterpart. Their requests exist at once and move from the end of the group on. Groups do not nest, and
     * nothing is tested inside one. NULL: each post goes by itself. */
    df_code (*group_begin)(df_comm *c, df_err *err);
    df_code (*group_end)(df_comm *c, df_err *err);
    /* For data on a device: buffers of data that is posted from now on are written and read on this stream (a
     * cudaStream_t); a message waits, on the device, for what the stream had been given when it was posted. NULL
     * stream: they are ready when posted. NULL entry: data is host memory. */
    void (*compute_on)(df_comm *c, void *stream);
    /* Gives up a request, for shutting down after an error: the buffer is not touched after it returns, *req is nulled.
     * The message may or may not have been moved. */
    void (*cancel)(df_comm *c, df_comm_request **req);
    /* From now on n requests may be posted at once without an allocation (large messages of mpi aside, which need one
     * for their parts). */
    df_code (*reserve)(df_comm *c, int n, df_err *err);
    /* Sleeps until some posted request of this rank may have moved, or timeout_us passed: what an idle rank does. */
    void (*idle)(df_comm *c, int64_t timeout_us);
    /* With requests still posted or given up this is the end after an error: other ranks that wait for this one get
     * DF_EUNREACHABLE (threads), or the whole job is ended (mpi). Accepts NULL. */
    void (*close)(df_comm **c);
} df_comm_ops;

struct df_comm {
    const df_comm_ops *ops;
    int rank, size;
    int share, shares; /* of the ranks that may run on the very cores that this one may: which it is, of how many */
};

/* Posts a message and waits until it has gone, or come. */
df_code df_comm_send_now(df_comm *c, int to, int channel, const void *data, size_t bytes, df_err *err);
df_code df_comm_recv_now(df_comm *c, int from, int channel, void *data, size_t bytes, df_err *err);
/* The same, but no longer than timeout_ms: DF_ETIMEOUT, and the message is given up. 0: for ever. */
df_code df_comm_send_within(df_comm *c, int to, int channel, const void *data, size_t bytes, int64_t timeout_ms,
                            df_err *err);
df_code df_comm_recv_within(df_comm *c, int from, int channel, void *data, size_t bytes, int64_t timeout_ms,
                            df_err *err);

/* A group where the transport has such. After an error in a group it is ended all the same. */
df_code df_comm_group_begin(df_comm *c, df_err *err);
df_code df_comm_group_end(df_comm *c, df_code so_far, df_err *err); /* so_far if that is an error */

df_code df_comm_self_open(df_comm **out, df_err *err);
/* size handles at once; each is then used by its own thread; all are closed by their threads. */
df_code df_comm_threads_open(df_comm **out, int size, df_err *err);

/* The MPI world of this process (initialised here with MPI_THREAD_FUNNELED, duplicated). df_comm_mpi_launched says
 * whether a launcher started us (environment of Open MPI, PMIx or Slurm), without initialising MPI. */
bool df_comm_mpi_launched(int *rank, int *size);
df_code df_comm_mpi_open(df_comm **out, df_err *err);
/* Messages above this size go in parts (256 MiB unless told; MPI counts in int). The same on every rank. */
void df_comm_mpi_set_chunk(df_comm *c, size_t bytes);

#endif

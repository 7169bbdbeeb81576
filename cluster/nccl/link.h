/* A link: one way from one rank to another over NCCL. It is a communicator of the two, a stream of its own, and
 * messages that both sides give it in the same order. Sizes are known to both.
 *
 *   df_nccl_link_open(&l, ..., &err);           nothing happens yet
 *   df_nccl_link_start(&l, &id, &err);          the communicator begins to come up; both sides, the same id
 *   df_nccl_link_push(&l, m);                   m is borrowed until its state is DONE
 *   df_nccl_link_poll(&l, &err);                now and then: moves all on, notices errors and what takes too long
 *   df_nccl_links_issue(links, n, &err);        what can go now goes, one group for all of them
 *   df_nccl_link_finish(&l, &err); df_nccl_link_close(&l);     or abort
 *
 * Nothing here waits. On the stream each message waits for its `ready` event, which the sender's compute stream made
 * after it had filled the buffer, and the receiver's after it had read what was there before; `done` follows it.
 * A link whose call failed is to be aborted. Threads: one owner. */
#ifndef DF_CLUSTER_NCCL_LINK_H
#define DF_CLUSTER_NCCL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cluster/nccl/api.h"
#include "engine/backend/cuda/runtime.h"

typedef enum df_nccl_message_state {
    DF_NCCL_QUEUED, /* waits for the communicator, or for those before it */
    DF_NCCL_ISSUED, /* given to NCCL, which has not put it on the stream yet */
    DF_NCCL_FLYING, /* on the stream */
    DF_NCCL_DONE
} df_nccl_message_state;

typedef struct df_nccl_message {
    struct df_nccl_message *next;
    void *data; /* of the device; a link that sends does not write it */
    size_t bytes; /* more than 0 */
    cudaEvent_t ready, done; /* owned by whoever owns the message */
    bool after_compute; /* `ready` was recorded */
    df_nccl_message_state state;
    int64_t since_ms; /* it could have moved: a buffer that is still being computed is no slow message */
} df_nccl_message;

typedef enum df_nccl_link_state {
    DF_NCCL_LINK_CLOSED,
    DF_NCCL_LINK_STARTING,
    DF_NCCL_LINK_READY,
    DF_NCCL_LINK_ISSUING, /* a group has not been launched yet: the stream is NCCL's */
    DF_NCCL_LINK_FINISHING
} df_nccl_link_state;

typedef struct df_nccl_terms {
    const df_nccl_api *nccl; /* borrowed, as is the other */
    const df_cuda_runtime_ops *cuda;
    int64_t start_ms; /* a communicator must come up within that, */
    int64_t message_ms; /* a message that could move must have, */
    int64_t check_ms; /* and this often NCCL is asked for errors */
} df_nccl_terms;

typedef struct df_nccl_link {
    df_nccl_terms terms;
    int rank, peer;
    bool sends;
    df_nccl_link_state state;
    ncclComm_t comm;
    cudaStream_t stream;
    df_nccl_message *first, *last; /* not done yet, in order */
    int64_t since_ms; /* in this state */
    int64_t checked_ms;
} df_nccl_link;

void df_nccl_link_open(df_nccl_link *l, const df_nccl_terms *terms, int rank, int peer, bool sends);
df_code df_nccl_link_start(df_nccl_link *l, const ncclUniqueId *id, df_err *err);
void df_nccl_link_push(df_nccl_link *l, df_nccl_message *m);
bool df_nccl_link_is_idle(const df_nccl_link *l); /* no message, nothing begun that polling would end */

/* Errors: DF_EUNREACHABLE, with what NCCL or CUDA say of it or the time limit that has passed. */
df_code df_nccl_link_poll(df_nccl_link *l, df_err *err);
df_code df_nccl_links_issue(df_nccl_link *const *links, int n, df_err *err);

/* It is idle. Begins to take leave of the other side; poll until it is closed. */
df_code df_nccl_link_finish(df_nccl_link *l, df_err *err);
/* Ends what is on the device: afterwards no buffer is touched. Messages left are forgotten. */
void df_nccl_link_abort(df_nccl_link *l);

#endif

/* What one rank did when: spans in a ring of fixed size, the latest of a run.
 *
 *   df_trace_open(&t, 0, &err);                  all memory at once
 *   df_trace_add(t, &span);                      no allocation, no lock; the oldest span makes room
 *   df_trace_wait(t);                            nothing to do from now on, until the next span of the thread
 *   df_trace_close(&t);
 *
 * A rank is one thread: spans up to DF_SPAN_WAIT follow each other and never overlap; one that others lie in is cut to
 * what follows the last of them. Messages under way are spans as well; they overlap with everything, which is the point
 * of them. Every function but open takes NULL for "no trace".
 * Threads: the rank's own. Ranks together: timeline.h. */
#ifndef DF_CLUSTER_TRACE_H
#define DF_CLUSTER_TRACE_H

#include <stdint.h>

#include "cluster/clock_link.h"

typedef enum df_span_kind {
    DF_SPAN_COMPUTE, /* a segment of a program runs */
    DF_SPAN_SAMPLE, /* rank 0, between passes: inputs of a micro-batch, sampler steps, pictures */
    DF_SPAN_SEND, /* messages are posted */
    DF_SPAN_RECEIVE, /* messages were found complete */
    DF_SPAN_LOAD, /* a program is opened or closed */
    DF_SPAN_WAIT, /* nothing can be done until another rank, or work, comes */
    DF_SPAN_THREAD_KINDS,
    DF_SPAN_OUTGOING = DF_SPAN_THREAD_KINDS, /* a message, from its posting until its buffer is free again */
    DF_SPAN_INCOMING, /* a message, from the posting of its receive until it is seen to be there */
    DF_SPAN_KINDS
} df_span_kind;

const char *df_span_kind_name(df_span_kind kind); /* "compute" */

/* What does not apply is 0; steps are -1 where there are none. Travels between ranks as it is. */
typedef struct df_span {
    int64_t start_ns, end_ns; /* df_clock_ns */
    int64_t command; /* number of the command, from 1; 0: of none */
    int64_t bytes; /* messages */
    int32_t kind;
    int32_t component, latent_h, latent_w; /* of the program; component -1: of none */
    int32_t slot, n_rows;
    int32_t first_step, last_step; /* least and greatest of the rows */
    int32_t segment; /* computed, or the sender's */
    int32_t peer; /* messages: the other rank */
} df_span;

enum { DF_TRACE_SPANS = 1 << 16 }; /* 5 MiB; about 3000 passes of a component */

typedef struct df_trace df_trace;

df_code df_trace_open(df_trace **out, int64_t capacity, df_err *err); /* 0: DF_TRACE_SPANS */
void df_trace_close(df_trace **t);

void df_trace_add(df_trace *t, const df_span *s);
void df_trace_wait(df_trace *t);

int64_t df_trace_kept(const df_trace *t);
int64_t df_trace_dropped(const df_trace *t);
const df_span *df_trace_at(const df_trace *t, int64_t i); /* 0: the oldest that is kept */

/* Every rank calls it as its run begins, no pipeline on the wire: rank 0 learns where the clocks of the others are. */
df_code df_trace_meet(df_trace *t, df_comm *comm, df_err *err);
const df_clock_link *df_trace_links(const df_trace *t); /* [ranks], of rank 0; NULL: they have not met */

#endif

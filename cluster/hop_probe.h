/* Hops as they are: measured by ping-pong between every two ranks.
 *
 *   df_hops_measure(&h, comm, timeout_ms, &err);     every rank calls, none with other messages under way
 *   df_hops_close(&h);
 *
 * Messages of a few sizes go there and back, each size several times; of each the quickest counts, and a line through
 * half of these times, relative errors least, has the latency where it begins and the bandwidth as its slope. Two
 * ranks spend at most about a fifth of a second unless one exchange takes longer; pairs without a common rank may
 * measure at the same time, as messages of a pipeline do. All ranks end with the same values. */
#ifndef DF_CLUSTER_HOP_PROBE_H
#define DF_CLUSTER_HOP_PROBE_H

#include "cluster/comm.h"
#include "cluster/hop.h"

/* timeout_ms: a rank that is silent for so long while it is its turn is named (DF_ETIMEOUT); 0: it is waited for. Who
 * only waits for others to be done waits longer, so that it is not they who are named. */
df_code df_hops_measure(df_hops *out, df_comm *c, int64_t timeout_ms, df_err *err);

/* seconds[i]: one way, of a message of bytes[i], n > 0. Never a negative latency; INFINITY where size costs nothing. */
df_hop df_hop_fit(const double *bytes, const double *seconds, int n);

#endif

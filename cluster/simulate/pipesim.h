/* A pipeline that computes nothing: the schedule in simulated time.
 *
 *   df_pipesim_run(&report, &cfg, &err);  ...  df_pipesim_report_free(&report);
 *
 * Rows enter, are encoded, make their steps in continuous micro-batches and are decoded, as cluster/renderer.h and
 * cluster/pipeline.h do it: what runs next is chosen by the very functions they ask (cluster/schedule.h). Each rank is
 * one thread that looks at its messages between two segments only; rank 0 has the sampler's work as well.
 *
 * A message takes its link's latency, and the sender's and the receiver's port for its bytes over the bandwidth: a port
 * carries one message at a time each way, oldest first. One of more than eager_bytes starts when the receiver's thread
 * has looked (MPI's rendezvous), then moves beside all computing. Ranks that share cores get equal parts of them while
 * they compute. Not simulated: programs being loaded, pictures decoded in tiles, pictures being encoded, failures.
 *
 * The same input gives the same report, to the bit. Threads: pure functions. */
#ifndef DF_CLUSTER_SIMULATE_PIPESIM_H
#define DF_CLUSTER_SIMULATE_PIPESIM_H

#include "cluster/simulate/costs.h"
#include "cluster/timeline.h"

enum {
    DF_PIPESIM_EAGER_BYTES = 4096,
    DF_PIPESIM_MOST_SLOTS = 256,
    DF_PIPESIM_MOST_ROWS = 1000000,
    DF_PIPESIM_MOST_SPANS = 1 << 24 /* 1.3 GB */
};

typedef struct df_pipesim_cfg {
    const df_pipesim_costs *costs; /* checked */
    const df_hops *hops; /* NULL: nothing to pay */
    const double *speed; /* [n_ranks] times as fast as the costs say; NULL: 1 each */
    double cores; /* that the ranks share; 0: a core each */
    double eager_bytes;
    int micro_batch, n_slots; /* pictures of a micro-batch, micro-batches in flight */
    int steps, rows_per_step; /* of a picture */
    int n_rows; /* pictures in all; they enter as there is room, which is n_slots * micro_batch */
    bool messages; /* also in the timeline */
} df_pipesim_cfg;

typedef struct df_pipesim_report {
    double seconds; /* from the first to the last */
    double rows_per_second; /* of all of them: filling and draining included */
    double steps_per_second; /* steps of pictures in the steady state (df_timeline_steady) */
    double latency_median, latency_most; /* seconds of a row, from entering to its picture */
    int64_t n_passes, n_messages;
    df_timeline *line; /* ranks' spans from 0 ns on */
} df_pipesim_report;

/* Errors: DF_EINVAL for a cfg out of bounds; DF_ELIMIT for more spans than are kept; DF_EINTERNAL where nothing moves
 * any more (a cycle in the costs' edges is refused by their check: it is our bug). */
df_code df_pipesim_run(df_pipesim_report *out, const df_pipesim_cfg *cfg, df_err *err);
void df_pipesim_report_free(df_pipesim_report *r);

#endif

/* How far the clock of another rank is ahead of ours, measured by messages.
 *
 * A message goes there and back; the answer says what the clock there was. If both ways take equally long, it was read
 * in the middle between our two readings. Of several exchanges the one that took least is believed; half of its time
 * bounds the error. (Cristian 1989, Probabilistic clock synchronization.) */
#ifndef DF_CLUSTER_CLOCK_LINK_H
#define DF_CLUSTER_CLOCK_LINK_H

#include "cluster/comm.h"

typedef struct df_clock_link {
    int64_t at_ns; /* our clock, in the middle of the exchange */
    int64_t ahead_ns; /* theirs less ours at that moment */
    int64_t round_trip_ns;
} df_clock_link;

/* Both ranks call, one measures, the other answers. */
df_code df_clock_link_measure(df_clock_link *out, df_comm *c, int peer, df_err *err);
df_code df_clock_link_answer(df_comm *c, int peer, df_err *err);

/* their_ns in our clock, between (and beyond) two measurements: clocks drift evenly. */
int64_t df_clock_link_ours(const df_clock_link *first, const df_clock_link *last, int64_t their_ns);

#endif

/* A hop: what a message from one rank to another pays, a latency and its bytes over a bandwidth.
 *
 *   df_hops_open(&h, n_ranks, &err);         between all ranks: nothing to pay
 *   df_hops_set(&h, "10GbE", &err);          between all of them
 *   df_hops_set(&h, "0-1=NVLink,2us", &err); between two, both ways
 *   df_hops_close(&h);
 *
 * A named link is what a program gets of it with large messages (1GbE: 0.117 GB/s, not 0.125), one way; both ways at
 * once are as fast. Threads: plain values. */
#ifndef DF_CLUSTER_HOP_H
#define DF_CLUSTER_HOP_H

#include <stdbool.h>

#include "base/err.h"

typedef struct df_hop {
    double latency_seconds;
    double bytes_per_second; /* INFINITY: at once */
} df_hop;

typedef struct df_hops {
    int n_ranks;
    df_hop *between; /* [n_ranks][n_ranks], from and to */
} df_hops;

df_code df_hops_open(df_hops *h, int n_ranks, df_err *err);
void df_hops_close(df_hops *h);

/* LINK or A-B=LINK, where LINK is NAME[,LATENCY] or RATE[,LATENCY]: "25GbE", "12Gb/s,5us", "3.5GB/s". df_hop_names
 * has the names. Errors: DF_EINVAL with what was meant. */
df_code df_hops_set(df_hops *h, const char *text, df_err *err);
df_code df_hop_parse(df_hop *out, const char *text, df_err *err);
extern const char df_hop_names[]; /* "1GbE, 10GbE, ..." */

const df_hop *df_hops_between(const df_hops *h, int from, int to);
/* Bandwidths to the nearest power of 2^(1/4): so that a measurement that comes out a little different makes the same
 * plan, and packed weights are found again. */
void df_hops_round(df_hops *h);
/* How long a message is on its way once nothing is before it. */
double df_hop_seconds(const df_hop *hop, double bytes);

#endif

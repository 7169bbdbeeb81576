/* What a process has used so far, seen from another one (Linux). */
#ifndef DF_CLIENT_SIMULATE_GAUGE_H
#define DF_CLIENT_SIMULATE_GAUGE_H

#include <stdint.h>
#include <sys/types.h>

typedef struct df_gauge {
    double cpu_s; /* of all its threads, user and system */
    int64_t rss_bytes, peak_rss_bytes;
} df_gauge;

df_gauge df_gauge_of(pid_t pid); /* zeros: there is no such process */

#endif

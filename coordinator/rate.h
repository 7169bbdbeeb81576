/* Events a second over the last minute, in one-second buckets. A zeroed rate has seen nothing. */
#ifndef DF_COORDINATOR_RATE_H
#define DF_COORDINATOR_RATE_H

#include <stdint.h>

enum { DF_RATE_SECONDS = 60 };

typedef struct df_rate {
    int64_t first_ms; /* of the first event since it was last quiet for a minute */
    int64_t last_second;
    uint32_t counts[DF_RATE_SECONDS];
    uint64_t total;
} df_rate;

void df_rate_add(df_rate *rate, int64_t now_ms);
double df_rate_per_second(const df_rate *rate, int64_t now_ms); /* 0 after a quiet minute */

#endif

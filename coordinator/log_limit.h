/* How often a kind of line may be written to the log. What a peer says must not fill a disk: of a kind that peers can
 * cause, DF_LOG_LIMIT_LINES a minute are written, the others counted, and the count is told when the minute is over.
 *
 *   df_log_limit limit = { 0 };
 *   if (df_log_limit_allows(&limit, now_ms)) df_log_event(...);
 *   now and then: if ((n = df_log_limit_withheld(&limit, now_ms))) df_log_event(..., "withheld", "n=%llu", n);
 *
 * Threads: one owner. */
#ifndef DF_COORDINATOR_LOG_LIMIT_H
#define DF_COORDINATOR_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { DF_LOG_LIMIT_LINES = 60, DF_LOG_LIMIT_MS = 60000 };

typedef struct df_log_limit {
    int64_t since_ms; /* of the minute that is counted */
    int n_lines; /* in it */
    uint64_t n_withheld; /* not told yet */
} df_log_limit;

bool df_log_limit_allows(df_log_limit *limit, int64_t now_ms);
/* How many lines were withheld in a minute that is over; they are told with that. */
uint64_t df_log_limit_withheld(df_log_limit *limit, int64_t now_ms);

#endif

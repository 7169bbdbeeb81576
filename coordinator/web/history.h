/* How far a job was, over time, in bounded memory: at most DF_HISTORY_POINTS equally spaced samples from the first on.
 * When they are used up, every second one is kept and the step doubles: a job of a month has as many points as one of
 * a minute. A zeroed history is empty. */
#ifndef DF_COORDINATOR_WEB_HISTORY_H
#define DF_COORDINATOR_WEB_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum { DF_HISTORY_POINTS = 120, DF_HISTORY_FIRST_STEP_MS = 1000 };

typedef struct df_history {
    int64_t first_ms, step_ms; /* sample i is of first_ms + i * step_ms */
    size_t n;
    double at[DF_HISTORY_POINTS];
} df_history;

/* The value of now; it becomes a sample when one is due. Missed steps take the value of now. */
void df_history_add(df_history *h, int64_t now_ms, double value);

#endif

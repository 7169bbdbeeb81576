/* How far a calibration is: a bar on a terminal, elsewhere a line every few seconds. */
#ifndef DF_CLIENT_CALIBRATE_PROGRESS_H
#define DF_CLIENT_CALIBRATE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct df_calibrate_progress {
    bool shown, bar, drawn;
    int64_t began_ms, last_ms;
} df_calibrate_progress;

df_calibrate_progress df_calibrate_progress_begin(bool quiet);
void df_calibrate_progress_show(df_calibrate_progress *p, int64_t done, int64_t all); /* steps of all pictures */
void df_calibrate_progress_end(df_calibrate_progress *p);

#endif

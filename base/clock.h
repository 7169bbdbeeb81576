/* Clocks: the monotonic one for durations and deadlines, the wall clock only for people. */
#ifndef DF_BASE_CLOCK_H
#define DF_BASE_CLOCK_H

#include <stdint.h>

int64_t df_clock_ns(void); /* monotonic, nanoseconds from an arbitrary start */
int64_t df_clock_ms(void); /* monotonic, milliseconds */
int64_t df_clock_wall_ms(void); /* since 1970-01-01 UTC */
void df_clock_sleep_ms(int64_t ms); /* returns early on a signal */

#define DF_CLOCK_STAMP_BYTES 32
/* "2026-11-23T22:54:01.250Z" of wall_ms into out[DF_CLOCK_STAMP_BYTES]; returns out. */
char *df_clock_stamp(int64_t wall_ms, char *out);

#endif

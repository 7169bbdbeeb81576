#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t df_clock_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

int64_t df_clock_ms(void) {
    return df_clock_ns() / 1000000;
}

int64_t df_clock_wall_ms(void) {
    return read_ns(CLOCK_REALTIME) / 1000000;
}

void df_clock_sleep_ms(int64_t ms) {
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

char *df_clock_stamp(int64_t wall_ms, char *out) {
    time_t seconds = wall_ms / 1000;
    struct tm tm;
    char day[24];
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, DF_CLOCK_STAMP_BYTES, "%s.%03dZ", day, (int)(wall_ms % 1000));
    return out;
}

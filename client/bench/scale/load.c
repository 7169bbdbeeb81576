#include "client/bench/scale/load.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks (proc(5)). */
static double busy_seconds(void) {
    unsigned long long t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "re");
    int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
                       &t[6], &t[7])
              : 0;
    if (f) fclose(f);
    return n == 8 ? (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK) : -1;
}

static double seconds_of(int who) {
    struct rusage u;
    if (getrusage(who, &u)) return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

df_load df_load_now(void) {
    return (df_load) { .busy_seconds = busy_seconds(),
                       .own_seconds = seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN),
                       .at_seconds = (double)df_clock_ns() * 1e-9 };
}

double df_load_others(const df_load *before) {
    df_load now = df_load_now();
    double there = (now.at_seconds - before->at_seconds) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (before->busy_seconds < 0 || now.busy_seconds < 0 || !(there > 0)) return -1;
    double others = (now.busy_seconds - before->busy_seconds - (now.own_seconds - before->own_seconds)) / there;
    return others < 0 ? 0 : others > 1 ? 1 : others; /* ticks are coarse */
}

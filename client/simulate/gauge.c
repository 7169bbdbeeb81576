#include "client/simulate/gauge.h"

#include <stdio.h>
#include <time.h>

static int64_t kib_of(const char *line, const char *key) {
    char format[32];
    long long kib = 0;
    snprintf(format, sizeof format, "%s: %%lld kB", key);
    sscanf(line, format, &kib);
    return kib * 1024;
}

df_gauge df_gauge_of(pid_t pid) {
    df_gauge g = { 0 };
    char path[64], line[256];
    clockid_t clock;
    struct timespec used;
    if (!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &used))
        g.cpu_s = (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status)) {
        g.rss_bytes += kib_of(line, "VmRSS");
        g.peak_rss_bytes += kib_of(line, "VmHWM");
    }
    if (status) fclose(status);
    return g;
}

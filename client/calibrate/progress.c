#include "client/calibrate/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/report.h"

enum { CELLS = 24, BAR_EVERY_MS = 100, LINE_EVERY_MS = 5000 };

df_calibrate_progress df_calibrate_progress_begin(bool quiet) {
    int64_t now = df_clock_ms();
    return (df_calibrate_progress) { .shown = !quiet, .bar = isatty(STDERR_FILENO), .began_ms = now, .last_ms = now };
}

static void put_bar(int64_t done, int64_t all) {
    char cells[CELLS + 1] = "";
    for (int i = 0; i < CELLS; i++) cells[i] = i * all < done * CELLS ? '#' : '-';
    fprintf(stderr, "\r\033[K[%s] ", cells);
}

void df_calibrate_progress_show(df_calibrate_progress *p, int64_t done, int64_t all) {
    int64_t now = df_clock_ms();
    char left[32];
    if (!p->shown || !done || (now - p->last_ms < (p->bar ? BAR_EVERY_MS : LINE_EVERY_MS) && done < all)) return;
    double seconds = (double)(now - p->began_ms) * 1e-3 / (double)done * (double)(all - done);
    p->last_ms = now;
    if (p->bar)
        put_bar(done, all);
    else
        fprintf(stderr, "diffarm: ");
    fprintf(stderr, "%lld/%lld steps, ETA %s%s", (long long)done, (long long)all,
            df_report_duration(left, sizeof left, seconds), p->bar ? "" : "\n");
    fflush(stderr);
    p->drawn = p->bar;
}

void df_calibrate_progress_end(df_calibrate_progress *p) {
    if (p->drawn) fputc('\n', stderr);
    p->drawn = false;
}

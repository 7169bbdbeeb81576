#include "client/bench/gpu/progress.h"

#include <unistd.h>

#include "base/clock.h"

enum { TERMINAL_MS = 100, LOG_MS = 5000 };

df_gpu_progress df_gpu_progress_to(FILE *to) {
    return (df_gpu_progress) { .to = to, .terminal = to && isatty(fileno(to)) };
}

void df_gpu_progress_show(df_gpu_progress *p, const char *line) {
    int64_t now = df_clock_ms();
    if (!p->to || (p->last_ms && now - p->last_ms < (p->terminal ? TERMINAL_MS : LOG_MS))) return;
    p->last_ms = now;
    if (p->terminal)
        fprintf(p->to, "\r\033[K%.200s", line);
    else
        fprintf(p->to, "%s\n", line);
    p->drawn = p->terminal;
    fflush(p->to);
}

void df_gpu_progress_end(df_gpu_progress *p) {
    if (p->drawn) fputs("\r\033[K", p->to);
    p->drawn = false;
    p->last_ms = 0;
}

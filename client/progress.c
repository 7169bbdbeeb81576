#include "client/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/report.h"

#define LINE_EVERY_MS 5000
#define BAR_CELLS 24

df_progress df_progress_to(FILE *to, bool quiet) {
    if (quiet) return (df_progress) { 0 };
    return (df_progress) { .to = to, .bar = isatty(fileno(to)), .last_ms = df_clock_ms() };
}

static double share_of(const Diffarm__JobStatus *j) {
    double done = (double)(j->n_done + j->n_failed) + j->steps_done;
    double share = j->n_rows ? done / (double)j->n_rows : 0;
    return share > 1 ? 1 : share;
}

static int put_bar(char *out, size_t out_bytes, double share) {
    char cells[BAR_CELLS + 1];
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) cells[i] = i < full ? '#' : '-';
    cells[BAR_CELLS] = '\0';
    return snprintf(out, out_bytes, "[%s] ", cells);
}

char *df_progress_text(char *out, size_t out_bytes, const Diffarm__JobStatus *j, int columns) {
    char speed[40] = "", eta[40] = "", failed[40] = "";
    bool over = df_job_ended(j);
    int n = columns ? put_bar(out, out_bytes, share_of(j)) : snprintf(out, out_bytes, "%.0f %%: ", 100 * share_of(j));
    /* Nothing is known of the speed before the first picture, and nothing is left to tell after the last. */
    if (j->images_per_second > 0 && !over) snprintf(speed, sizeof speed, ", %.2f images/s", j->images_per_second);
    if (j->eta_seconds >= 0 && !over) {
        char left[32];
        snprintf(eta, sizeof eta, ", ETA %s", df_report_duration(left, sizeof left, j->eta_seconds));
    }
    if (j->n_failed) snprintf(failed, sizeof failed, ", %" PRIu64 " failed", j->n_failed);
    snprintf(out + n, out_bytes - (size_t)n, "%" PRIu64 "/%" PRIu64 " pictures%s%s, %u worker%s%s%s%s", j->n_done,
             j->n_rows, speed, eta, j->n_workers, j->n_workers == 1 ? "" : "s", failed, j->problem[0] ? " -- " : "",
             j->problem);
    if (columns > 0 && strlen(out) >= (size_t)columns) out[columns - 1] = '\0';
    return out;
}

static int columns_of(FILE *f) {
    struct winsize size;
    return !ioctl(fileno(f), TIOCGWINSZ, &size) && size.ws_col > 40 ? size.ws_col : 80;
}

static void wipe(df_progress *p) {
    if (p->drawn) fprintf(p->to, "\r\033[K");
    p->drawn = false;
}

void df_progress_show(df_progress *p, const Diffarm__JobStatus *j) {
    if (!p->to) return;
    char text[1024];
    if (p->bar) {
        fprintf(p->to, "\r\033[K%s", df_progress_text(text, sizeof text, j, columns_of(p->to)));
        p->drawn = true;
        fflush(p->to);
        return;
    }
    if (j->problem[0]) df_progress_note(p, j->problem);
    int64_t now = df_clock_ms();
    bool over = df_job_ended(j) && j->n_done != p->last_done;
    if (now - p->last_ms < LINE_EVERY_MS && !over) return;
    p->last_ms = now;
    p->last_done = j->n_done;
    fprintf(p->to, "diffarm: %s\n", df_progress_text(text, sizeof text, j, 0));
}

void df_progress_note(df_progress *p, const char *note) {
    if (!p->to || !strcmp(note, p->last_note)) return;
    snprintf(p->last_note, sizeof p->last_note, "%s", note);
    if (!*note) return;
    wipe(p);
    fprintf(p->to, "diffarm: %s\n", note);
    fflush(p->to);
}

void df_progress_end(df_progress *p) {
    if (p->to && p->drawn) fputc('\n', p->to);
    p->drawn = false;
}

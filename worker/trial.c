#include "worker/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/child.h"

enum { TICK_MS = 20, GRACE_MS = 2000 };

typedef struct watch {
    df_trial *p;
    pid_t pid;
    int from; /* its output; -1 once that has ended */
    size_t length;
    bool ended;
} watch;

static void read_some(watch *w) {
    char spill[1024];
    size_t room = sizeof w->p->text - 1 - w->length;
    ssize_t got = room ? read(w->from, w->p->text + w->length, room) : read(w->from, spill, sizeof spill);
    if (got > 0 && room) w->length += (size_t)got;
    if (got > 0 || (got < 0 && errno == EINTR)) return;
    close(w->from);
    w->from = -1;
}

/* True once the program has ended, and all that it had written is read. Its own children may hold the pipe open: they
 * are not waited for. */
static bool ended(watch *w) {
    struct pollfd one = { .fd = w->from, .events = POLLIN };
    if (poll(&one, 1, w->ended ? 0 : TICK_MS) > 0) {
        read_some(w);
        return w->ended && w->from < 0;
    }
    if (w->ended) return true;
    w->ended = waitpid(w->pid, &w->p->status, WNOHANG) == w->pid;
    return false;
}

static bool wait_until(watch *w, int64_t deadline_ms) {
    while (df_clock_ms() < deadline_ms)
        if (ended(w)) return true;
    return false;
}

/* Gently first: mpirun and srun take their ranks with them. */
static void stop(watch *w) {
    w->p->late = true;
    kill(w->pid, SIGTERM);
    if (wait_until(w, df_clock_ms() + GRACE_MS)) return;
    kill(-w->pid, SIGKILL);
    while (!w->ended && waitpid(w->pid, &w->p->status, 0) < 0 && errno == EINTR) continue;
}

void df_trial_run(df_trial *p, const char *const *argv, const char *const *env, bool clean, int limit_seconds) {
    int ends[2];
    df_err err;
    watch w = { .p = p };
    *p = (df_trial) { 0 };
    if (pipe2(ends, O_CLOEXEC)) {
        snprintf(p->text, sizeof p->text, "pipe: %s", strerror(errno));
        return;
    }
    const df_child_cfg cfg = { .argv = argv,
                               .env = env,
                               .clean_launch = clean,
                               .output_fd = ends[1],
                               .errors_too = true,
                               .death_signal = SIGTERM };
    p->started = !df_child_start(&w.pid, &cfg, &err);
    close(ends[1]);
    w.from = ends[0];
    if (!p->started)
        snprintf(p->text, sizeof p->text, "%s", err.text);
    else if (!wait_until(&w, df_clock_ms() + limit_seconds * 1000LL))
        stop(&w);
    if (w.from >= 0) close(w.from);
}

bool df_trial_succeeded(const df_trial *p) {
    return p->started && !p->late && !p->status;
}

char *df_trial_line(const df_trial *p, char *out, size_t out_bytes) {
    const char *line = p->text + strspn(p->text, " \t\r\n-");
    snprintf(out, out_bytes, "%.*s", (int)strcspn(line, "\r\n"), line);
    return out;
}

char *df_trial_why(const df_trial *p, char *out, size_t out_bytes) {
    char how[64], line[256];
    if (!p->started) return df_trial_line(p, out, out_bytes);
    if (p->late)
        snprintf(how, sizeof how, "it did not end in its time");
    else
        df_child_status_text(p->status, how, sizeof how);
    df_trial_line(p, line, sizeof line);
    snprintf(out, out_bytes, "%s%s%s", how, *line ? ": " : "", line);
    return out;
}

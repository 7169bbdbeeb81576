#include "worker/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BEAT '\x16' /* no text has it: "synchronous idle"; a line of its own, because srun hands on whole lines */
#define AWAY_MS 1000 /* more between two times of listening is our own doing */
#define STUCK_MS (60 * 60 * 1000)

struct df_pulse {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool stopped;
    atomic_int_least64_t touched_ms;
};

static struct timespec in_ms(int ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + ms * INT64_C(1000000);
    return (struct timespec) { .tv_sec = t.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static void *beat(void *arg) {
    df_pulse *p = arg;
    const char line[] = { BEAT, '\n' };
    pthread_mutex_lock(&p->lock);
    while (!p->stopped) {
        bool is_stuck = df_clock_ms() - atomic_load(&p->touched_ms) > STUCK_MS;
        if (!is_stuck && write(p->fd, line, sizeof line) < 0 && errno != EINTR && errno != EAGAIN)
            break; /* nobody listens */
        const struct timespec next = in_ms(DF_PULSE_PERIOD_MS);
        pthread_cond_timedwait(&p->over, &p->lock, &next);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

df_code df_pulse_start(df_pulse **out, int fd, df_err *err) {
    pthread_condattr_t monotonic;
    df_pulse *p = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "a pulse");
    p->fd = fd;
    df_pulse_touch(p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&p->thread, NULL, beat, p);
    if (failed) {
        free(p);
        return df_err_errno(err, failed, "the thread of a pulse");
    }
    *out = p;
    return DF_OK;
}

void df_pulse_touch(df_pulse *p) {
    if (p) atomic_store(&p->touched_ms, df_clock_ms());
}

void df_pulse_tell(df_pulse *p, int rank, const char *where) {
    if (p) df_roll_tell(p->fd, rank, where);
}

void df_pulse_stop(df_pulse **pp) {
    df_pulse *p = *pp;
    if (!p) return;
    *pp = NULL;
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_signal(&p->over);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->over);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

df_code df_pulse_ear_open(df_pulse_ear *e, df_err *err) {
    int fd[2];
    if (pipe2(fd, O_CLOEXEC)) return df_err_errno(err, errno, "a pipe for the ranks' output");
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    *e = (df_pulse_ear) { .read_fd = fd[0], .write_fd = fd[1] };
    df_pulse_ear_reset(e);
    return DF_OK;
}

void df_pulse_ear_close(df_pulse_ear *e) {
    close(e->read_fd);
    close(e->write_fd);
}

void df_pulse_ear_reset(df_pulse_ear *e) {
    e->n_heard = e->silent_ms = 0;
    e->roll = (df_roll) { 0 };
    e->listened_ms = df_clock_ms();
}

/* Takes pulses and the roll out of what was read; the rest is our own output. */
static void take(df_pulse_ear *e, char *data, size_t n) {
    size_t rest = 0;
    for (size_t i = 0; i < n; i++) {
        if (df_roll_take(&e->roll, data[i])) continue;
        if (data[i] == BEAT)
            e->n_heard++, e->silent_ms = 0, e->roll.was_ours = true;
        else
            data[rest++] = data[i];
    }
    for (char *at = data; rest;) {
        ssize_t written = write(STDOUT_FILENO, at, rest);
        if (written < 0 && errno != EINTR) return;
        if (written > 0) at += written, rest -= (size_t)written;
    }
}

void df_pulse_ear_listen(df_pulse_ear *e, int timeout_ms) {
    struct pollfd fd = { .fd = e->read_fd, .events = POLLIN };
    char data[4096];
    poll(&fd, 1, timeout_ms);
    int64_t now = df_clock_ms(), since = now - e->listened_ms;
    e->silent_ms += since < AWAY_MS ? since : AWAY_MS;
    e->listened_ms = now;
    for (ssize_t n; (n = read(e->read_fd, data, sizeof data)) > 0;) take(e, data, (size_t)n);
}

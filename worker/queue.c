#include "worker/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct df_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    size_t capacity, first, n;
    int fd;
    void *item[];
};

/* Timeouts are on the monotonic clock: a stepped wall clock must not stretch a wait. */
static void init_condition(pthread_cond_t *c) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

df_code df_queue_open(df_queue **out, size_t capacity, df_err *err) {
    df_queue *q = calloc(1, sizeof *q + capacity * sizeof *q->item);
    if (!q) return df_err_set(err, DF_ENOMEM, "a queue of %zu", capacity);
    if ((q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) {
        df_code rc = df_err_errno(err, errno, "a queue's eventfd");
        free(q);
        return rc;
    }
    q->capacity = capacity;
    pthread_mutex_init(&q->lock, NULL);
    init_condition(&q->filled);
    init_condition(&q->drained);
    *out = q;
    return DF_OK;
}

void df_queue_close(df_queue **q) {
    if (!*q) return;
    pthread_cond_destroy(&(*q)->filled);
    pthread_cond_destroy(&(*q)->drained);
    pthread_mutex_destroy(&(*q)->lock);
    close((*q)->fd);
    free(*q);
    *q = NULL;
}

void df_queue_push(df_queue *q, void *item) {
    pthread_mutex_lock(&q->lock);
    while (q->n == q->capacity) pthread_cond_wait(&q->drained, &q->lock);
    q->item[(q->first + q->n++) % q->capacity] = item;
    eventfd_write(q->fd, 1);
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

static struct timespec in_ms(int ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_nsec -= 1000000000L;
        t.tv_sec++;
    }
    return t;
}

/* The lock is held; false when the time is over and there is still nothing. */
static int wait_filled(df_queue *q, int timeout_ms) {
    struct timespec until = in_ms(timeout_ms > 0 ? timeout_ms : 0);
    while (!q->n) {
        if (!timeout_ms) return 0;
        int rc = timeout_ms < 0 ? pthread_cond_wait(&q->filled, &q->lock)
                                : pthread_cond_timedwait(&q->filled, &q->lock, &until);
        if (rc == ETIMEDOUT && !q->n) return 0;
    }
    return 1;
}

void *df_queue_pop(df_queue *q, int timeout_ms) {
    void *item = NULL;
    pthread_mutex_lock(&q->lock);
    if (wait_filled(q, timeout_ms)) {
        item = q->item[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->n--;
        eventfd_t count;
        if (!q->n) eventfd_read(q->fd, &count);
        pthread_cond_signal(&q->drained);
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

int df_queue_fd(const df_queue *q) {
    return q->fd;
}

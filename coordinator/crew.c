#include "coordinator/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct df_crew {
    pthread_mutex_t lock; /* of all but next */
    pthread_cond_t work_is_there, all_is_done;
    pthread_t *helpers;
    int n_helpers, n_busy;
    uint64_t round; /* goes up with each df_crew_share */
    bool ends;
    df_crew_fn do_one;
    void *ctx;
    size_t n;
    atomic_size_t next; /* piece that nobody has begun */
};

static void work(df_crew *c, df_crew_fn do_one, void *ctx, size_t n) {
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < n;) do_one(ctx, i);
}

static void *help(void *arg) {
    df_crew *c = arg;
    pthread_mutex_lock(&c->lock);
    for (uint64_t seen = 0;;) {
        while (c->round == seen && !c->ends) pthread_cond_wait(&c->work_is_there, &c->lock);
        if (c->ends) break;
        seen = c->round;
        df_crew_fn do_one = c->do_one;
        void *ctx = c->ctx;
        size_t n = c->n;
        pthread_mutex_unlock(&c->lock);
        work(c, do_one, ctx, n);
        pthread_mutex_lock(&c->lock);
        if (!--c->n_busy) pthread_cond_signal(&c->all_is_done);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

df_code df_crew_open(df_crew **out, int n_helpers, df_err *err) {
    df_crew *c = calloc(1, sizeof *c);
    if (!c || (n_helpers && !(c->helpers = calloc((size_t)n_helpers, sizeof *c->helpers)))) {
        free(c);
        return df_err_set(err, DF_ENOMEM, "%d threads", n_helpers);
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work_is_there, NULL);
    pthread_cond_init(&c->all_is_done, NULL);
    for (int why; c->n_helpers < n_helpers; c->n_helpers++)
        if ((why = pthread_create(&c->helpers[c->n_helpers], NULL, help, c))) {
            df_crew_close(&c);
            return df_err_errno(err, why, "start a thread");
        }
    *out = c;
    return DF_OK;
}

void df_crew_close(df_crew **crew) {
    df_crew *c = *crew;
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->ends = true;
    pthread_cond_broadcast(&c->work_is_there);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->n_helpers; i++) pthread_join(c->helpers[i], NULL);
    pthread_cond_destroy(&c->all_is_done);
    pthread_cond_destroy(&c->work_is_there);
    pthread_mutex_destroy(&c->lock);
    free(c->helpers);
    free(c);
    *crew = NULL;
}

static void call_helpers(df_crew *c, df_crew_fn do_one, void *ctx, size_t n) {
    pthread_mutex_lock(&c->lock);
    c->do_one = do_one;
    c->ctx = ctx;
    c->n = n;
    atomic_store(&c->next, 0);
    c->n_busy = c->n_helpers;
    c->round++;
    pthread_cond_broadcast(&c->work_is_there);
    pthread_mutex_unlock(&c->lock);
}

void df_crew_share(df_crew *c, df_crew_fn do_one, void *ctx, size_t n) {
    if (!c || !c->n_helpers || n < 2) {
        for (size_t i = 0; i < n; i++) do_one(ctx, i);
        return;
    }
    call_helpers(c, do_one, ctx, n);
    work(c, do_one, ctx, n);
    pthread_mutex_lock(&c->lock);
    while (c->n_busy) pthread_cond_wait(&c->all_is_done, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* Answers to results. What is committed in one transaction is answered lease by lease, in one message each: workers
 * that are fast send hundreds of results in a turn, and so many answers would not fit into the queue to them. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/farm.h"

static void send_rows(df_farm *f, const df_worker *worker, const char *token, uint64_t *rows, size_t n,
                      bool committed) {
    Diffarm__ResultAck ack = DIFFARM__RESULT_ACK__INIT;
    ack.token = (char *)token;
    ack.row = rows[0];
    ack.more_rows = rows + 1;
    ack.n_more_rows = n - 1;
    ack.committed = committed;
    df_farm_send(f, worker->identity, worker->identity_bytes, &DF_WIRE_MESSAGE(RESULT_ACK, result_ack, &ack));
}

void df_farm_ack(df_farm *f, const char *worker_id, const char *token, uint64_t row, bool committed) {
    const df_worker *worker = df_worker_table_find(&f->workers, worker_id);
    if (worker && worker->identity_bytes) send_rows(f, worker, token, &row, 1, committed);
}

void df_farm_ack_later(df_farm *f, const char *worker_id, const char *token, uint64_t row, bool committed) {
    df_acks *a = &f->acks;
    if (a->n == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 256;
        df_ack *at = realloc(a->at, cap * sizeof *at);
        if (!at) {
            df_farm_ack(f, worker_id, token, row, committed);
            return;
        }
        a->at = at;
        a->cap = cap;
    }
    df_ack *ack = &a->at[a->n++];
    *ack = (df_ack) { .row = row, .committed = committed };
    memccpy(ack->worker_id, worker_id, '\0', sizeof ack->worker_id - 1);
    memccpy(ack->token, token, '\0', sizeof ack->token - 1);
}

static int by_lease(const void *x, const void *y) {
    const df_ack *a = x, *b = y;
    int order = strcmp(a->token, b->token);
    if (!order) order = strcmp(a->worker_id, b->worker_id);
    if (!order) order = (int)a->committed - (int)b->committed;
    return order ? order : (a->row > b->row) - (a->row < b->row);
}

static bool alike(const df_ack *a, const df_ack *b) {
    return a->committed == b->committed && !strcmp(a->token, b->token) && !strcmp(a->worker_id, b->worker_id);
}

void df_farm_send_acks(df_farm *f) {
    uint64_t rows[DF_LEASE_MAX_ROWS];
    df_acks *a = &f->acks;
    if (!a->n) return;
    qsort(a->at, a->n, sizeof *a->at, by_lease);
    for (size_t i = 0; i < a->n;) {
        const df_ack *first = &a->at[i];
        const df_worker *worker = df_worker_table_find(&f->workers, first->worker_id);
        size_t n = 0, max = worker && worker->groups_acks ? DF_LEASE_MAX_ROWS : 1;
        for (; i < a->n && n < max && alike(first, &a->at[i]); i++) rows[n++] = a->at[i].row;
        if (worker && worker->identity_bytes) send_rows(f, worker, first->token, rows, n, first->committed);
    }
    a->n = 0;
}

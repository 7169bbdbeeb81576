#include "coordinator/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct edge {
    df_lease_state from;
    df_lease_event event;
    df_lease_state to;
} edge;

static const edge edges[] = {
    /* docs/protocol.md, section "life of a lease" */
    { DF_LEASE_GRANTED, DF_LEASE_EV_NAMED, DF_LEASE_ACTIVE },
    { DF_LEASE_ACTIVE, DF_LEASE_EV_NAMED, DF_LEASE_ACTIVE },
    { DF_LEASE_ORPHANED, DF_LEASE_EV_NAMED, DF_LEASE_ACTIVE },
    /* A worker that dies before its first heartbeat may have died of the lease itself: that counts as well. */
    { DF_LEASE_GRANTED, DF_LEASE_EV_WORKER_SILENT, DF_LEASE_LOST },
    { DF_LEASE_ACTIVE, DF_LEASE_EV_WORKER_SILENT, DF_LEASE_LOST },
    { DF_LEASE_GRANTED, DF_LEASE_EV_UNNAMED, DF_LEASE_VOID },
    { DF_LEASE_ACTIVE, DF_LEASE_EV_UNNAMED, DF_LEASE_VOID },
    { DF_LEASE_ORPHANED, DF_LEASE_EV_UNNAMED, DF_LEASE_VOID },
    { DF_LEASE_GRANTED, DF_LEASE_EV_GIVEN_UP, DF_LEASE_VOID },
    { DF_LEASE_ACTIVE, DF_LEASE_EV_GIVEN_UP, DF_LEASE_VOID },
    { DF_LEASE_ORPHANED, DF_LEASE_EV_GIVEN_UP, DF_LEASE_VOID },
    { DF_LEASE_GRANTED, DF_LEASE_EV_ROWS_FINISHED, DF_LEASE_FINISHED },
    { DF_LEASE_ACTIVE, DF_LEASE_EV_ROWS_FINISHED, DF_LEASE_FINISHED },
    { DF_LEASE_ORPHANED, DF_LEASE_EV_ROWS_FINISHED, DF_LEASE_FINISHED },
};

const char *df_lease_state_name(df_lease_state state) {
    static const char *const names[DF_LEASE_N_STATES] = { "granted", "active", "orphaned", "lost", "void", "finished" };
    return state < DF_LEASE_N_STATES ? names[state] : "?";
}

static void list_ended(df_lease *lease) {
    df_lease_table *table = lease->table;
    if (!table || lease->is_listed) return;
    *(table->last_ended ? &table->last_ended->next_ended : &table->first_ended) = lease;
    table->last_ended = lease;
    lease->is_listed = true;
}

bool df_lease_apply(df_lease *lease, df_lease_event event) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        if (edges[i].from == lease->state && edges[i].event == event) {
            lease->state = edges[i].to;
            if (!df_lease_is_live(lease)) list_ended(lease);
            return true;
        }
    return false;
}

bool df_lease_is_live(const df_lease *lease) {
    return lease->state == DF_LEASE_GRANTED || lease->state == DF_LEASE_ACTIVE || lease->state == DF_LEASE_ORPHANED;
}

static int by_row(const void *a, const void *b) {
    const df_lease_row *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

df_lease_row *df_lease_find_row(df_lease *lease, uint64_t row) {
    return bsearch(&(df_lease_row) { .row = row }, lease->rows, lease->n_rows, sizeof *lease->rows, by_row);
}

typedef struct row_edge {
    df_lease_row_state from;
    df_lease_row_event event;
    df_lease_row_state to;
} row_edge;

static const row_edge row_edges[] = {
    /* docs/protocol.md, section "life of a lease" */
    { DF_LEASE_ROW_OPEN, DF_LEASE_ROW_EV_RESULT, DF_LEASE_ROW_ARRIVED },
    { DF_LEASE_ROW_OPEN, DF_LEASE_ROW_EV_OVERTAKEN, DF_LEASE_ROW_CLOSED },
    { DF_LEASE_ROW_COPY, DF_LEASE_ROW_EV_RESULT, DF_LEASE_ROW_ARRIVED },
    { DF_LEASE_ROW_COPY, DF_LEASE_ROW_EV_OVERTAKEN, DF_LEASE_ROW_CLOSED },
    { DF_LEASE_ROW_COPY, DF_LEASE_ROW_EV_PROMOTED, DF_LEASE_ROW_OPEN },
    { DF_LEASE_ROW_ARRIVED, DF_LEASE_ROW_EV_COMMITTED, DF_LEASE_ROW_CLOSED },
    { DF_LEASE_ROW_ARRIVED, DF_LEASE_ROW_EV_UNKEPT, DF_LEASE_ROW_OPEN },
};

static void set_row(df_lease *lease, df_lease_row *row, df_lease_row_state state) {
    lease->n_open -= row->state == DF_LEASE_ROW_OPEN;
    lease->n_closed -= row->state == DF_LEASE_ROW_CLOSED;
    row->state = state;
    lease->n_open += row->state == DF_LEASE_ROW_OPEN;
    lease->n_closed += row->state == DF_LEASE_ROW_CLOSED;
}

bool df_lease_row_apply(df_lease *lease, df_lease_row *row, df_lease_row_event event) {
    for (size_t i = 0; i < sizeof row_edges / sizeof *row_edges; i++)
        if (row_edges[i].from == row->state && row_edges[i].event == event) {
            set_row(lease, row, row_edges[i].to);
            return true;
        }
    return false;
}

void df_lease_make_copies(df_lease *lease) {
    for (size_t i = 0; i < lease->n_rows; i++) set_row(lease, &lease->rows[i], DF_LEASE_ROW_COPY);
}

/* all leases */

static void lease_free(df_lease *lease) {
    if (lease) free(lease->rows);
    free(lease);
}

static bool reserve(df_lease_table *table) {
    if (table->n < table->cap) return true;
    size_t cap = table->cap ? 2 * table->cap : 16;
    df_lease **at = realloc(table->at, cap * sizeof *at);
    if (!at) return false;
    table->at = at;
    table->cap = cap;
    return true;
}

/* It becomes the first of its worker's. */
static bool link_to_worker(df_lease_table *table, df_lease *lease) {
    df_lease *first = df_lease_table_of(table, lease->worker_id);
    if (!df_map_put(&table->by_worker, lease->worker_id, strlen(lease->worker_id), lease)) return false;
    lease->next_of_worker = first;
    if (first) first->before_of_worker = lease;
    return true;
}

static void unlink_from_worker(df_lease_table *table, df_lease *lease) {
    df_lease *before = lease->before_of_worker, *next = lease->next_of_worker;
    size_t bytes = strlen(lease->worker_id);
    if (next) next->before_of_worker = before;
    if (before)
        before->next_of_worker = next;
    else if (!next)
        df_map_remove(&table->by_worker, lease->worker_id, bytes);
    else
        df_map_put(&table->by_worker, lease->worker_id, bytes, next); /* the key is there: it cannot fail */
}

df_lease *df_lease_table_add(df_lease_table *table, const char *token, const char *worker_id, size_t n_rows) {
    df_lease *lease = calloc(1, sizeof *lease);
    if (!lease || !(lease->rows = calloc(n_rows ? n_rows : 1, sizeof *lease->rows)) || !reserve(table) ||
        !df_map_put(&table->by_token, token, strlen(token), lease)) {
        lease_free(lease);
        return NULL;
    }
    snprintf(lease->token, sizeof lease->token, "%s", token);
    snprintf(lease->worker_id, sizeof lease->worker_id, "%s", worker_id);
    if (!link_to_worker(table, lease)) {
        df_map_remove(&table->by_token, token, strlen(token));
        lease_free(lease);
        return NULL;
    }
    lease->n_rows = lease->n_open = n_rows;
    lease->table = table;
    lease->place = table->n;
    return table->at[table->n++] = lease;
}

df_lease *df_lease_table_find(const df_lease_table *table, const char *token) {
    return df_map_get(&table->by_token, token, strlen(token));
}

df_lease *df_lease_table_of(const df_lease_table *table, const char *worker_id) {
    return df_map_get(&table->by_worker, worker_id, strlen(worker_id));
}

/* Nearly always it is the first. */
static void unlist_ended(df_lease_table *table, const df_lease *lease) {
    df_lease *before = NULL;
    if (!lease->is_listed) return;
    if (table->first_ended != lease)
        for (before = table->first_ended; before->next_ended != lease;) before = before->next_ended;
    *(before ? &before->next_ended : &table->first_ended) = lease->next_ended;
    if (table->last_ended == lease) table->last_ended = before;
}

void df_lease_table_remove(df_lease_table *table, df_lease *lease) {
    df_map_remove(&table->by_token, lease->token, strlen(lease->token));
    unlink_from_worker(table, lease);
    unlist_ended(table, lease);
    table->at[lease->place] = table->at[--table->n];
    table->at[lease->place]->place = lease->place;
    lease_free(lease);
}

void df_lease_table_free(df_lease_table *table) {
    for (size_t i = 0; i < table->n; i++) lease_free(table->at[i]);
    free(table->at);
    df_map_free(&table->by_token);
    df_map_free(&table->by_worker);
    *table = (df_lease_table) { 0 };
}

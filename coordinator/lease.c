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

bool df_lease_apply(df_lease *lease, df_lease_event event) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        if (edges[i].from == lease->state && edges[i].event == event) {
            lease->state = edges[i].to;
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

df_lease *df_lease_table_add(df_lease_table *table, const char *token, size_t n_rows) {
    df_lease *lease = calloc(1, sizeof *lease);
    if (!lease || !(lease->rows = calloc(n_rows ? n_rows : 1, sizeof *lease->rows)) || !reserve(table) ||
        !df_map_put(&table->by_token, token, strlen(token), lease)) {
        lease_free(lease);
        return NULL;
    }
    snprintf(lease->token, sizeof lease->token, "%s", token);
    lease->n_rows = lease->n_open = n_rows;
    return table->at[table->n++] = lease;
}

df_lease *df_lease_table_find(const df_lease_table *table, const char *token) {
    return df_map_get(&table->by_token, token, strlen(token));
}

void df_lease_table_remove_at(df_lease_table *table, size_t index) {
    df_lease *lease = table->at[index];
    df_map_remove(&table->by_token, lease->token, strlen(lease->token));
    table->at[index] = table->at[--table->n];
    lease_free(lease);
}

void df_lease_table_free(df_lease_table *table) {
    for (size_t i = 0; i < table->n; i++) lease_free(table->at[i]);
    free(table->at);
    df_map_free(&table->by_token);
    *table = (df_lease_table) { 0 };
}

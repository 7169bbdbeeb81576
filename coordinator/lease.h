/* A lease: rows of one job lent to one worker under a fencing token, and the table of its life (docs/protocol.md,
 * "life of a lease").
 *
 * df_lease_apply changes the lease, and notes in its table that it has ended, no more. A lease that has ended (LOST,
 * VOID, FINISHED) is settled by housekeeping.c: its open rows go back, the store forgets it. That may be repeated until
 * the store takes it. */
#ifndef DF_COORDINATOR_LEASE_H
#define DF_COORDINATOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "coordinator/job.h"
#include "coordinator/map.h"

enum { DF_LEASE_MAX_ROWS = 256, DF_LEASE_TOKEN_BYTES = 64, DF_WORKER_ID_BYTES = 65 };

typedef enum df_lease_state {
    DF_LEASE_GRANTED, /* sent; the worker has not named it yet */
    DF_LEASE_ACTIVE, /* named by its worker */
    DF_LEASE_ORPHANED, /* found in the store after a restart; its worker has not come back yet */
    DF_LEASE_LOST, /* its worker died with it: open rows go back and count a loss */
    DF_LEASE_VOID, /* open rows go back, nobody is to blame */
    DF_LEASE_FINISHED, /* every row is committed */
    DF_LEASE_N_STATES
} df_lease_state;

typedef enum df_lease_event {
    DF_LEASE_EV_NAMED, /* a heartbeat, a Hello or a result names it */
    DF_LEASE_EV_WORKER_SILENT,
    DF_LEASE_EV_UNNAMED, /* its worker lives but does not name it, or an orphan's worker did not come */
    DF_LEASE_EV_GIVEN_UP, /* returned, undeliverable, or its job was cancelled */
    DF_LEASE_EV_ROWS_FINISHED,
    DF_LEASE_N_EVENTS
} df_lease_event;

typedef enum df_lease_row_state {
    DF_LEASE_ROW_OPEN,
    DF_LEASE_ROW_COPY, /* lent beside another lease that has it (tail.c): not counted, and never goes back */
    DF_LEASE_ROW_ARRIVED, /* its result waits to be written and committed: never goes back */
    DF_LEASE_ROW_CLOSED,
    DF_LEASE_ROW_N_STATES
} df_lease_row_state;

typedef enum df_lease_row_event {
    DF_LEASE_ROW_EV_RESULT, /* a picture or a failure has come */
    DF_LEASE_ROW_EV_COMMITTED,
    DF_LEASE_ROW_EV_UNKEPT, /* the result was dropped: another is to come */
    DF_LEASE_ROW_EV_OVERTAKEN, /* the same row under another lease has come first, or the copy has failed */
    DF_LEASE_ROW_EV_PROMOTED, /* the lease that had it has ended without it */
    DF_LEASE_ROW_N_EVENTS
} df_lease_row_event;

typedef struct df_lease_row {
    uint64_t row;
    df_lease_row_state state;
    bool has_copy; /* of an open one: another worker was lent it as well */
} df_lease_row;

struct df_lease_table;

typedef struct df_lease {
    int64_t key; /* in the store */
    char token[DF_LEASE_TOKEN_BYTES];
    char worker_id[DF_WORKER_ID_BYTES];
    df_lease_state state;
    df_job *job; /* borrowed */
    int64_t named_ms; /* when it was last named, or granted */
    int64_t granted_ms; /* or found after a restart */
    double charged_s; /* what its job was charged for it; corrected when it ends */
    df_lease_row *rows; /* ascending */
    size_t n_rows, n_open, n_closed; /* open: still to be rendered, and not a copy */
    struct df_lease_table *table; /* that it is in; NULL: none */
    size_t place; /* there */
    struct df_lease *before_of_worker, *next_of_worker; /* of the same worker */
    struct df_lease *next_ended;
    bool is_listed; /* among those that have ended */
} df_lease;

const char *df_lease_state_name(df_lease_state state);
bool df_lease_apply(df_lease *lease, df_lease_event event); /* false: not an edge of the table, nothing changed */
bool df_lease_is_live(const df_lease *lease);
df_lease_row *df_lease_find_row(df_lease *lease, uint64_t row); /* NULL if it is not of this lease */
/* Keeps the counts; false: not an edge of the table, nothing changed. */
bool df_lease_row_apply(df_lease *lease, df_lease_row *row, df_lease_row_event event);
void df_lease_make_copies(df_lease *lease); /* a new one: all its rows are */

/* All leases. Owns them; stays where it is while it has some. */
typedef struct df_lease_table {
    df_lease **at;
    size_t n, cap;
    df_map by_token, by_worker; /* by_worker: the first of each */
    df_lease *first_ended, *last_ended; /* in the order in which they ended */
} df_lease_table;

/* Zeroed but for these. */
df_lease *df_lease_table_add(df_lease_table *table, const char *token, const char *worker_id, size_t n_rows);
df_lease *df_lease_table_find(const df_lease_table *table, const char *token);
df_lease *df_lease_table_of(const df_lease_table *table, const char *worker_id); /* then next_of_worker; NULL: none */
void df_lease_table_remove(df_lease_table *table, df_lease *lease); /* frees it; the last one takes its place in at */
void df_lease_table_free(df_lease_table *table);

#endif

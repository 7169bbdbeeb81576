/* The uplink's book: leases held, rows of them that the coordinator has not acknowledged, results to send or to keep.
 * No sockets here; one owner, the uplink's thread. */
#ifndef DF_WORKER_BOOK_H
#define DF_WORKER_BOOK_H

#include "worker/uplink.h"

typedef struct df_held {
    df_lease *lease; /* held */
    bool *settled; /* [n_rows]: acknowledged or handed back */
    size_t n_settled;
    struct df_held *next;
} df_held;

typedef struct df_kept {
    df_result *r; /* owned */
    int64_t sent_ms; /* 0: to be sent */
    struct df_kept *next;
} df_kept;

typedef struct df_book {
    df_held *leases;
    df_kept *results; /* oldest first */
    size_t n_leases, n_results;
} df_book;

/* Enters a lease (holds it). *is_new is false if its token is known. */
df_code df_book_lease(df_book *b, df_lease *lease, bool *is_new, df_err *err);
df_held *df_book_find(const df_book *b, const char *token);
/* Forgets a lease and its results; returns it, held for the caller, or NULL if it is unknown. */
df_lease *df_book_revoke(df_book *b, const char *token);

/* Takes *r. A result of a lease that is gone is dropped. */
df_code df_book_result(df_book *b, df_result **r, df_err *err);
/* The coordinator has settled this row: its result goes, and the lease with its last row. */
void df_book_ack(df_book *b, const char *token, uint64_t row);
/* Rows [first, n) of the lease count as settled from now on. */
void df_book_return(df_book *b, const char *token, size_t first);

void df_book_unsend(df_book *b, int64_t sent_before_ms); /* results sent before that time are to be sent again */
void df_book_unsend_row(df_book *b, const char *token, uint64_t row); /* the result of this row is */
void df_book_clear(df_book *b);

void df_result_free(df_result **r); /* accepts a pointer to NULL */

#endif

/* The sessions of a worker: the one in use, and others that rest with their models loaded, in case a model or a set of
 * adapters is asked for again. Rank 0's.
 *
 *   df_shelf_new(&shelf, comm, &cfg, keep_bytes, &err);
 *   df_shelf_take(shelf, &want, &session, &err);       what was in use rests, or goes
 *   df_shelf_free(&shelf);                             closes all
 *
 * A model with adapters is merged once for as long as it stays. Resting sessions take keep_bytes at most; the ones used
 * longest ago go first. */
#ifndef DF_WORKER_SHELF_H
#define DF_WORKER_SHELF_H

#include "worker/session.h"

typedef struct df_shelf df_shelf;

/* comm is borrowed. */
df_code df_shelf_new(df_shelf **out, df_comm *comm, const df_session_cfg *cfg, size_t keep_bytes, df_err *err);
void df_shelf_free(df_shelf **shelf); /* accepts a pointer to NULL */

/* *out: in use from now on, the shelf's; *opened (may be NULL): it was not there. After an error none is in use. */
df_code df_shelf_take(df_shelf *shelf, const df_session_want *want, df_session **out, bool *opened, df_err *err);
void df_shelf_drop(df_shelf *shelf); /* closes the one in use */

/* A quarter of the machine's memory, shared by the ranks of one worker. */
size_t df_shelf_default_bytes(int ranks);

#endif

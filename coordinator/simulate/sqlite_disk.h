/* SQLite on the simulated disk: a VFS, so that the store's database meets the same faults as OUT. Locks are not needed,
 * the store has its file for itself. */
#ifndef DF_COORDINATOR_SIMULATE_SQLITE_DISK_H
#define DF_COORDINATOR_SIMULATE_SQLITE_DISK_H

#include "base/err.h"

/* From now on SQLite opens its files through df_disk_*; for the process's life.
 * Once for each world: what SQLite takes for random begins anew. */
df_code df_sim_sqlite_begin(df_err *err);

#endif

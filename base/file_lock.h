/* One process at a time, by a file that is locked while one of them works.
 *
 *   df_file_lock lock = df_file_lock_take("DIR/lock", 10000);
 *   ... whether it is held (lock.fd >= 0) or could not be had in time, or at all ...
 *   df_file_lock_drop(&lock);
 *
 * The kernel gives the lock back when its holder dies. For work that is better not done twice, never for what must not:
 * who waits too long goes on without. The file stays. */
#ifndef DF_BASE_FILE_LOCK_H
#define DF_BASE_FILE_LOCK_H

#include <stdint.h>

typedef struct df_file_lock {
    int fd; /* -1: not held */
} df_file_lock;

df_file_lock df_file_lock_take(const char *path, int64_t timeout_ms);
void df_file_lock_drop(df_file_lock *lock);

#endif

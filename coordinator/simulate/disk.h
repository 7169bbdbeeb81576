/* A disk in memory that fails as disks do.
 *
 *   df_sim_disk_new(random);   df_disk_use(df_sim_disk_calls());   df_sim_disk_mount(disk);
 *   ...the farm writes...      df_sim_disk_cut(disk)               power is lost: what was not synced may be gone or
 * torn df_sim_disk_free(&disk);
 *
 * What a program sees is the cache; beside it stands what is surely on the medium. A file's bytes get there by fsync of
 * the file, a name by fsync of its folder, all by syncfs. Nothing else is promised: this is POSIX to the letter, and
 * less than any file system keeps. The cut decides for each sector and each name that was not synced whether the old or
 * the new survives. A sync that fails drops what it was to write, as Linux does: a later one succeeds without it.
 * Threads: one disk is mounted in a process, one thread uses it. */
#ifndef DF_COORDINATOR_SIMULATE_DISK_H
#define DF_COORDINATOR_SIMULATE_DISK_H

#include <stddef.h>

#include "base/disk.h"
#include "coordinator/simulate/random.h"

typedef struct df_sim_node df_sim_node;

typedef struct df_sim_disk {
    df_sim_random *random; /* borrowed */
    df_sim_node *root, *all;
    uint64_t n_nodes, n_changes; /* changes: calls that wrote anything */
    int ops_to_live; /* > 0: after so many more changes the machine stops, until revived */
    bool stopped;
    bool is_full; /* what grows fails, once `room` is used up */
    int64_t room;
    int ops_to_error, n_errors; /* after so many changes, so many fail with EIO */
    bool suspended; /* the checker reads: no faults */
    int64_t sync_ms, busy_ms; /* a sync takes so long; how long all took since busy_ms was set to 0 */
    struct df_sim_handle *handles;
    int n_handles;
} df_sim_disk;

df_sim_disk *df_sim_disk_new(df_sim_random *random); /* NULL when out of memory */
void df_sim_disk_free(df_sim_disk **disk);
const df_disk *df_sim_disk_calls(void);
void df_sim_disk_mount(df_sim_disk *disk); /* the calls act on it; borrowed */

/* The program that had files open is gone. */
void df_sim_disk_revive(df_sim_disk *disk);
/* The same with the power: what was not synced is decided by chance. */
void df_sim_disk_cut(df_sim_disk *disk);

/* Bytes of the file as they are seen, or, synced, as they surely are on the medium under this name; NULL: there is no
 * such file. Valid until the next change. */
const void *df_sim_disk_look(const df_sim_disk *disk, const char *path, bool synced, size_t *bytes);

/* A second name for a file, synced: what a power cut in the middle of a rename may leave. */
void df_sim_disk_link(df_sim_disk *disk, const char *from, const char *to);

/* For the database (sqlite_disk.c), which reads and writes anywhere. */
ssize_t df_sim_disk_pread(int fd, void *data, size_t bytes, size_t at);
ssize_t df_sim_disk_pwrite(int fd, const void *data, size_t bytes, size_t at);
int df_sim_disk_truncate(int fd, size_t bytes);

#endif

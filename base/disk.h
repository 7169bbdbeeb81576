/* The calls to the operating system through which OUT is written and read.
 *
 * They are the POSIX calls of the same names, with errno, behind one table, so that a simulated disk can stand in their
 * place: one that fills up, fails, or loses power between any two of them. The table is the process's own, as the
 * operating system is: df_disk_use is called before anything is open, by the simulator and by nobody else. */
#ifndef DF_BASE_DISK_H
#define DF_BASE_DISK_H

#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Each entry of a folder but . and ..; anything but 0 ends the list and is returned. */
typedef int (*df_disk_entry_fn)(void *ctx, const char *name);

typedef struct df_disk {
    int (*openat)(int at, const char *path, int flags, mode_t mode);
    int (*dup)(int fd); /* closed on exec */
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *data, size_t bytes);
    ssize_t (*write)(int fd, const void *data, size_t bytes);
    int (*fsync)(int fd);
    void (*begin_sync)(int fd); /* what is written may go to the medium: no promise, but a short fsync */
    int (*syncfs)(int fd);
    int (*fstat)(int fd, struct stat *is);
    int (*fstatat)(int at, const char *path, struct stat *is, int flags);
    int (*mkdirat)(int at, const char *path, mode_t mode);
    int (*renameat)(int from_at, const char *from, int to_at, const char *to);
    int (*unlinkat)(int at, const char *path, int flags);
    int (*list)(int fd, df_disk_entry_fn take, void *ctx); /* of a folder; -1 with errno on error */
} df_disk;

void df_disk_use(const df_disk *disk); /* borrowed, lives as long as it is used; NULL: the operating system again */

int df_disk_openat(int at, const char *path, int flags, mode_t mode);
int df_disk_dup(int fd);
int df_disk_close(int fd);
ssize_t df_disk_read(int fd, void *data, size_t bytes);
ssize_t df_disk_write(int fd, const void *data, size_t bytes);
int df_disk_write_all(int fd, const void *data, size_t bytes); /* goes on after a signal; -1 with errno */
int df_disk_fsync(int fd);
void df_disk_begin_sync(int fd);
int df_disk_syncfs(int fd);
int df_disk_fstat(int fd, struct stat *is);
int df_disk_fstatat(int at, const char *path, struct stat *is, int flags);
int df_disk_mkdirat(int at, const char *path, mode_t mode);
int df_disk_renameat(int from_at, const char *from, int to_at, const char *to);
int df_disk_unlinkat(int at, const char *path, int flags);
int df_disk_list(int fd, df_disk_entry_fn take, void *ctx);

/* A stream that writes to fd, which stays the caller's: fclose does not close it. NULL with errno on error. */
FILE *df_disk_stream(int fd);

#endif

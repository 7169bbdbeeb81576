/* The folder of a coordinator's state: it is written, synced, renamed in, and locked against a second coordinator. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "client/doctor/checkup.h"

/* True if a lock keeps out whoever opens the file anew, as another process does. */
static bool lock_holds(const char *path) {
    int one = open(path, O_RDWR | O_CLOEXEC), two = open(path, O_RDWR | O_CLOEXEC);
    bool holds =
        one >= 0 && two >= 0 && !flock(one, LOCK_EX | LOCK_NB) && flock(two, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (one >= 0) close(one);
    if (two >= 0) close(two);
    return holds;
}

/* A coordinator makes its folder: then the one that is there above it counts. */
static bool folder_there(const char *named, char *out, size_t bytes) {
    struct stat is;
    if ((size_t)snprintf(out, bytes, "%s", named) >= bytes) return false;
    while (stat(out, &is) && errno == ENOENT) {
        char *slash = strrchr(out, '/');
        if (!slash)
            snprintf(out, bytes, ".");
        else
            slash[slash == out] = '\0';
    }
    return true;
}

static void check_space(const df_checkup *c, const char *folder) {
    enum { LITTLE_MIB = 1024 };
    struct statvfs is;
    if (statvfs(folder, &is)) return;
    unsigned long long mib = (unsigned long long)is.f_bavail * is.f_frsize >> 20;
    if (mib < LITTLE_MIB)
        df_found(c->found, DF_FOUND_WARNING, "disk", "free some, or use another folder (--state)",
                 "%s: %llu MiB are free", folder, mib);
    else
        df_found(c->found, DF_FOUND_OK, "disk", NULL, "%s: %.1f GiB are free", folder, (double)mib / 1024);
}

void df_check_state(const df_checkup *c) {
    char folder[PATH_MAX], path[PATH_MAX + 64];
    df_err err;
    if (!folder_there(c->state_dir, folder, sizeof folder)) {
        df_found(c->found, DF_FOUND_PROBLEM, "state folder", "use a shorter one", "%.200s...: path too long",
                 c->state_dir);
        return;
    }
    snprintf(path, sizeof path, "%s/.diffarm-doctor-%ld", folder, (long)getpid());
    if (df_file_write(path, "doctor\n", 7, &err)) {
        df_found(c->found, DF_FOUND_PROBLEM, "state folder", "use a folder that you may write (--state)", "%s",
                 err.text);
        return;
    }
    if (lock_holds(path))
        df_found(c->found, DF_FOUND_OK, "state folder", NULL, "%s: writes, syncs and locks", folder);
    else
        df_found(c->found, DF_FOUND_PROBLEM, "state folder",
                 "use one whose locks hold (local disk, NFS 4, Lustre with -o flock, GPFS)",
                 "%s: locks do not hold there: two coordinators could spoil each other's state", folder);
    unlink(path);
    check_space(c, folder);
}

#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_MS = 20 };

df_file_lock df_file_lock_take(const char *path, int64_t timeout_ms) {
    int64_t until = df_clock_ms() + timeout_ms;
    df_file_lock lock = { .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) };
    while (lock.fd >= 0 && flock(lock.fd, LOCK_EX | LOCK_NB)) {
        bool taken = errno == EWOULDBLOCK || errno == EINTR;
        if (!taken || df_clock_ms() >= until)
            df_file_lock_drop(&lock);
        else
            df_clock_sleep_ms(LOOK_MS);
    }
    return lock;
}

void df_file_lock_drop(df_file_lock *lock) {
    if (lock->fd >= 0) close(lock->fd);
    lock->fd = -1;
}

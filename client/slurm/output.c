#include "client/slurm/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/child.h"

static void read_all(int fd, char *out, size_t out_bytes) {
    char spill[4096];
    size_t n = 0;
    for (;;) {
        size_t room = out_bytes - 1 - n;
        ssize_t got = room ? read(fd, out + n, room) : read(fd, spill, sizeof spill);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (room) n += (size_t)got;
    }
    out[n] = '\0';
}

/* By the scripts' and our own convention. */
static bool is_usage(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 2;
}

df_code df_output_of(const char *const *argv, const char *const *env, char *out, size_t out_bytes, df_err *err) {
    int ends[2], status = 0;
    char how[64];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC)) return df_err_errno(err, errno, "%s", argv[0]);
    const df_child_cfg cfg = { .argv = argv, .env = env, .output_fd = ends[1], .death_signal = SIGTERM };
    df_code rc = df_child_start(&pid, &cfg, err);
    close(ends[1]);
    if (!rc) {
        read_all(ends[0], out, out_bytes);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        if (status)
            rc = df_err_set(err, is_usage(status) ? DF_EINVAL : DF_EUNREACHABLE, "%s: %s", argv[0],
                            df_child_status_text(status, how, sizeof how));
    }
    close(ends[0]);
    return rc;
}
